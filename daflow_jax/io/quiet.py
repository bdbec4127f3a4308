"""What image libraries write to the standard error of the process: caught, not shown.

libjpeg, libpng and OpenEXR report damage as text on file descriptor 2 and go on; OpenCV logs there
too. The text breaks the rule of one line for an error, and it is the only sign that pixels are
wrong. So the descriptor is turned to a file in memory while a picture is decoded. Threads may
decode at once; what others write meanwhile is passed on.
"""

import os
import re
import tempfile
import threading
from collections.abc import Callable
from typing import TypeVar

import cv2

_Result = TypeVar("_Result")
_OURS = re.compile(
    rb"libpng (error|warning)|Corrupt JPEG data|Premature end of JPEG|Inconsistent progression|"
    rb"Warning: unknown JFIF|Invalid SOS|Unsupported marker|Invalid component ID|"
    rb"<python_buffer>|"
    rb"Unknown Adobe color|Application transferred|\[ ?(ERROR|WARN|INFO)[^]]*\]|JPEG "
)
_DAMAGE = re.compile(
    rb"(?<=\()EXR_ERR_\w+\) [^:\n]*|"
    rb"libpng error: .*|Corrupt JPEG data: .*|Premature end of JPEG .*|Inconsistent progression .*"
)


class _Call:
    """One decoding: what was written since it began, and whether another ran beside it."""

    def __init__(self):
        self.text, self.shared = b"", False


class _Descriptor:
    """File descriptor 2, turned away while at least one call is under way."""

    def __init__(self):
        self.changed = threading.Condition()
        self.calls: list[_Call] = []
        self.alone = False
        self._saved, self._caught, self._read = -1, -1, 0
        self._level = 0

    def enter(self) -> _Call:
        """Returns a call that is under way from now on."""
        if not self.calls:
            self._level = cv2.utils.logging.setLogLevel(0)
            if hasattr(os, "pread"):
                self._turn_away()
        self.calls.append(_Call())
        if len(self.calls) > 1:
            for call in self.calls:
                call.shared = True
        return self.calls[-1]

    def leave(self, call: _Call) -> None:
        """Ends a call; lines that no image library writes are passed on."""
        last = len(self.calls) == 1
        if self._saved >= 0:
            if last:
                os.dup2(self._saved, 2)
            self._share_out()
        self.calls.remove(call)
        if last:
            cv2.utils.logging.setLogLevel(self._level)
        if last and self._saved >= 0:
            os.close(self._saved)
            self._saved = -1

    def _share_out(self) -> None:
        """Gives all calls under way what was written since the last time."""
        end = os.fstat(self._caught).st_size
        lines = os.pread(self._caught, end - self._read, self._read).splitlines(keepends=True)
        self._read = end
        ours = b"".join(line for line in lines if _OURS.match(line))
        foreign = b"".join(line for line in lines if line.strip() and not _OURS.match(line))
        for each in self.calls:
            each.text += ours
        if foreign:
            _pass_on(self._saved, foreign)

    def _turn_away(self) -> None:
        try:
            self._saved = os.dup(2)
        except OSError:  # closed: there is nothing to catch and nothing to restore
            return
        if self._caught < 0:
            self._caught = _memory_file()
        os.dup2(self._caught, 2)

    def forked(self) -> None:
        """Gives a child process, where nothing is being decoded, its standard error back."""
        if self.calls:
            cv2.utils.logging.setLogLevel(self._level)
        if self._saved >= 0:
            os.dup2(self._saved, 2)
            os.close(self._saved)
        self.__init__()


def _memory_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("stderr")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _pass_on(descriptor: int, text: bytes) -> None:
    try:
        os.write(descriptor, text)
    except OSError:
        pass  # a pipe that nobody reads: what was written before was lost in the same way


_stderr = _Descriptor()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stderr.forked)


def call(decode: Callable[[], _Result]) -> tuple[_Result, str]:
    """Returns what `decode` returns and the damage that the libraries reported, "" for none.

    The call is made again alone if something was reported while other threads decoded.
    """
    result, told = _call(decode, alone=False)
    if told.text and told.shared:
        result, told = _call(decode, alone=True)
    found = _DAMAGE.search(told.text)
    return result, found[0].decode("ascii", "replace").strip() if found else ""


def _call(decode: Callable[[], _Result], alone: bool) -> tuple[_Result, _Call]:
    with _stderr.changed:
        _stderr.changed.wait_for(lambda: not (_stderr.alone or (alone and _stderr.calls)))
        _stderr.alone = alone
        told = _stderr.enter()
    try:
        return decode(), told
    finally:
        with _stderr.changed:
            _stderr.leave(told)
            _stderr.alone = False
            _stderr.changed.notify_all()
