"""Frames of one sequence made new: pictures, or a video with times and sound of another."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax.io import image, video
from daflow_jax.io.video.background import Worker
from daflow_jax.outputs import leftovers, targets

_BEHIND = 4  # [choice] pictures that wait for the disk
_CRF = 8  # [choice] high quality: results of processing are looked at closely


class FrameFiles:
    """Writes frames behind the caller, in a thread; use as a context manager.

    Args:
        target: a video (.mp4), or a folder for pictures.
        fps: mean frames per second of a video.
        names: of the pictures by number, without extension; None = six digits.
        existing: what happens to files that exist; a whole video that is kept takes no frames.
        source: the video whose sound is copied, or None.
    """

    def __init__(
        self,
        target: Path,
        fps: float | int | Fraction = 25,
        names: list[str] | None = None,
        existing: targets.Existing = "refuse",
        source: Path | None = None,
    ):
        self._target, self._fps, self._names = target, fps, names
        self._source = source
        self._existing: targets.Existing = existing
        self.is_video = video.is_video(target)
        self.written: list[Path] = []
        self.kept = 0
        self._film: video.Writer | None = None
        self._worker = Worker(lambda work: work(), _BEHIND)
        leftovers.clean_folder(target.parent if self.is_video else target)

    @property
    def note(self) -> str | None:
        """A sentence where the sound could not be kept, else None."""
        return self._film.note if self._film else None

    def path(self, number: int) -> Path:
        """Returns the picture of a frame."""
        name = self._names[number] if self._names is not None else f"{number:06d}"
        return self.picture(name)

    def picture(self, stem: str) -> Path:
        """Returns the picture of a name without extension."""
        return self._target / f"{stem}.png"

    def keeps(self, path: Path) -> bool:
        """Returns whether a picture exists and stays as it is, so that nobody needs to make it."""
        return not self.is_video and not targets.is_wanted(path, self._existing)

    def write(self, frame: np.ndarray, stamp: video.Stamp, picture: Path | None = None) -> None:
        """Adds a frame, uint8 (h, w, 3); `picture` is its file where that is not `path`'s."""
        if not self.is_video:
            self._picture(picture or self.path(stamp.number), frame)
            return
        if self._film is None:
            if self._existing == "refuse":
                targets.refuse_existing(self._target)
            size = frame.shape[:2]
            self._film = video.Writer(
                self._target, self._fps, size, crf=_CRF, audio_of=self._source
            )
        self._film.write(frame, stamp.time, stamp.duration)

    def _picture(self, path: Path, frame: np.ndarray) -> None:
        if not targets.is_wanted(path, self._existing):
            self.kept += 1
            return
        self._worker.put(lambda: image.write_image(path, frame))
        self.written.append(path)

    def close(self) -> None:
        """Waits until everything is written."""
        self._worker.close()
        if self._film is not None:
            self._film.close()
            self.written = [self._target]

    def __enter__(self) -> "FrameFiles":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self.close()
            return
        self._worker.stop()
        self.written = [path for path in self.written if path.exists()]
        if self._film is not None:
            self._film.__exit__(kind, error, trace)
