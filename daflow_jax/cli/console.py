"""What a person sees while a command works: notes and progress on stderr."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from types import TracebackType

from daflow_jax import errors


def prepare() -> None:
    """Makes the streams safe: closed ones lead nowhere, and a character that a terminal cannot show
    is written as an escape."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # else the next file that is opened becomes the stream
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def warnings_on(stderr: bool) -> Iterator[None]:
    """Keeps what the library logs away from stderr where only errors are wanted there."""
    log = logging.getLogger("daflow_jax")
    level = log.level
    if not stderr:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def flush() -> None:
    """Writes out what was printed; a stdout that takes no more is a `UserError`."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as caught:
        abandon_stdout()
        raise full(caught) from caught


def full(caught: OSError) -> errors.UserError:
    """Returns the refusal of an error met while printing."""
    reason = (caught.strerror or str(caught)).lower()
    return errors.UserError("standard output", f"cannot be written ({reason})", "Free it", 3)


def abandon_stdout() -> None:
    """Lets what was not written go, so that nothing complains when the program ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def error(line: str) -> None:
    """Writes what is wrong, as every refusal is written."""
    _say(f"daflow: error: {line}")


def _say(line: str, end: str = "\n") -> None:
    with contextlib.suppress(OSError):  # whoever reads stderr is gone; the work goes on
        print(line, end=end, file=sys.stderr, flush=True)


class Console:
    """Writes notes to stderr unless quiet."""

    def __init__(self, quiet: bool = False):
        self.quiet = quiet

    def note(self, line: str, end: str = "\n") -> None:
        """Writes one line, or a part of one."""
        if not self.quiet:
            _say(line, end)


class Progress:
    """Counts work done: a bar on a terminal, else a line every ten seconds.

    Args:
        total: None where nobody knows the number.
    """

    def __init__(self, console: Console, what: str, unit: str, total: int | None = None):
        self._console, self._what, self._unit, self._total = console, what, unit, total
        self._bar, self._done = None, 0
        self._begun = self._said = time.monotonic()
        if not console.quiet and sys.stderr.isatty():
            import tqdm

            self._bar = tqdm.tqdm(total=total, desc=what, unit=f" {unit}", leave=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self) -> None:
        """Counts one more."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        elif time.monotonic() - self._said >= 10:
            self._said = time.monotonic()
            self._console.note(self._line())

    def _line(self) -> str:
        rate = self._done / (time.monotonic() - self._begun)
        if self._total is None:
            return f"{self._what}: {self._done} {self._unit}, {rate:.2f}/s"
        left = (self._total - self._done) / rate
        counted = f"{self._what}: {self._done}/{self._total} {self._unit}"
        return f"{counted}, {rate:.2f}/s, {left:.0f} s left"
