"""Files that grow, such as logs and event files, kept on this machine and copied to a store.

An object cannot be added to. So whatever a run writes about itself goes to a folder of this
machine, and what has changed there is copied as a whole: every few seconds, less often where that
takes long, and before a checkpoint is written. A killed run loses the lines since the last copy.
"""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from daflow_jax.io.storage import copies, faults
from daflow_jax.io.storage.places import Place

_EVERY = 10.0  # [choice] seconds between copies; a store takes one write a second of an object
_SHARE = 20  # [choice] copying takes at most 1/20 of the time


class Mirror:
    """A folder of this machine whose files appear under `target`.

    Args:
        target: in a store; a path on this machine is its own mirror, and nothing is copied.
        fetch: names of files that are added to: their content so far is fetched first.

    Attributes:
        folder: where to write.
    """

    def __init__(self, target: Place, fetch: Sequence[str] = ()):
        self._target, self._copied = target, dict[str, tuple[int, int]]()
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._scratch = None
        if isinstance(target, Path):
            self.folder = target
            return
        self._scratch = tempfile.TemporaryDirectory(prefix="daflow-run-")
        self.folder = Path(self._scratch.name)
        with faults.explained(target):
            for name in fetch:
                if (target / name).exists():
                    copies.download(target / name, self.folder / name)
                    self._copied[name] = _state(self.folder / name)
        threading.Thread(target=self._beat, daemon=True).start()

    def sync(self) -> None:
        """Copies what has changed, now."""
        if self._scratch is None:
            return
        with self._turn:
            for file in sorted(self.folder.rglob("*")):
                name = file.relative_to(self.folder).as_posix()
                if file.is_file() and self._copied.get(name) != (state := _state(file)):
                    copies.upload(file, self._target / name)
                    self._copied[name] = state

    def close(self) -> None:
        """Copies what has changed and removes the folder."""
        if self._scratch is None or self._over.is_set():
            return
        self._over.set()
        try:
            self.sync()
        finally:
            self._scratch.cleanup()

    def _beat(self) -> None:
        pause = _EVERY
        while not self._over.wait(pause):
            begun = time.monotonic()
            with contextlib.suppress(Exception):  # the next `sync` of the run itself raises it
                self.sync()
            pause = max(_EVERY, _SHARE * (time.monotonic() - begun))


def _state(file: Path) -> tuple[int, int]:
    info = os.stat(file)
    return info.st_size, info.st_mtime_ns


def append(path: Place, text: str) -> None:
    """Adds text to a file, which is made with its folder where it is missing."""
    if isinstance(path, Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
        return
    before = path.read_text() if path.exists() else ""
    path.write_text(before + text)
