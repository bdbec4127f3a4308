"""A clip at the size of a fit: its frames, made small as they are read."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from daflow_jax import errors
from daflow_jax.predict.frames import as_frames, same_size


class Clip(NamedTuple):
    """frames: (t, h, w, 3) uint8 at the size of the fit. source: (height, width) as read."""

    frames: np.ndarray
    source: tuple[int, int]

    @property
    def digest(self) -> str:
        """What tells these frames from others."""
        text = f"{self.frames.shape}{self.source}".encode()
        return hashlib.sha256(text + self.frames.tobytes()).hexdigest()


def fitted_size(source: tuple[int, int], side: int, multiple: int = 1) -> tuple[int, int]:
    """Returns (height, width): `side` pixels for the longer one, both multiples of `multiple`."""
    scale = side / max(source)
    height, width = (max(round(x * scale / multiple), 1) * multiple for x in source)
    return height, width


class Reader:
    """Passes frames on as they come, and keeps each at the size of the fit."""

    def __init__(self, side: int, multiple: int = 1, where: str = "frames"):
        self._side, self._multiple, self._where = side, multiple, where
        self._kept: list[np.ndarray] = []
        self._source: tuple[int, int] | None = None

    def passing(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields the frames; `clip` has them all in the end."""
        for frame in frames:
            shape = frame.shape[:2]
            self._source = self._source or (shape[0], shape[1])
            same_size(shape, self._source, self._where)
            size = fitted_size(self._source, self._side, self._multiple)
            self._kept.append(resized(as_frames(frame, self._where), size))
            yield frame

    def clip(self, least: int = 2) -> Clip:
        """Returns what was kept. Raises UserError for fewer frames than `least`."""
        if len(self._kept) < least or self._source is None:
            rule = f"{len(self._kept)} frames; {least} are needed"
            raise errors.UserError(self._where, rule, "Use a longer clip")
        return Clip(np.stack(self._kept), self._source)


def read(
    frames: Iterable[np.ndarray],
    side: int,
    where: str = "frames",
    least: int = 2,
    multiple: int = 1,
) -> Clip:
    """Returns a clip of at least `least` frames, `side` pixels on the longer side."""
    reader = Reader(side, multiple, where)
    for _ in reader.passing(frames):
        pass
    return reader.clip(least)


def resized(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns a float frame in [0, 1] as uint8 of (height, width), pixels averaged."""
    import cv2

    small = cv2.resize(frame, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.rint(255 * np.clip(small, 0, 1)).astype(np.uint8)


def resized_flow(flow: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns flow (h, w, 2) on a grid of (height, width), in its pixels."""
    import cv2

    scale = np.array((size[1] / flow.shape[1], size[0] / flow.shape[0]), np.float32)
    small = cv2.resize(flow, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return small * scale
