"""Pairs of neighbouring frames spread over a video of unknown length, at constant memory."""

from typing import NamedTuple

import cv2
import numpy as np

from daflow_jax.evaluate.motion import degradation

_SPARE = 4  # candidates at most, per pair wanted: some cross a cut
_STEP = 16  # [choice] px: the shorter side of a shrunk frame, so that few programs are compiled


class Pair(NamedTuple):
    """frames: uint8 (2, h, w, 3) at the size of estimation. number: of the second frame. seconds:
    between the two, or None. grey: the middle of the first frame at its own size, or None."""

    frames: np.ndarray
    number: int
    seconds: float | None
    grey: np.ndarray | None


class Sampler:
    """Keeps every 2^k-th pair, k as small as the memory allows.

    Args:
        wanted: number of pairs in the end, at most.
        max_size: pixels of the longer side; larger frames are shrunk to it.
    """

    def __init__(self, wanted: int, max_size: int | None):
        self._wanted, self._max_size = wanted, max_size
        self._step = 1
        self._kept: list[Pair] = []
        self._before: tuple[np.ndarray, float | None] | None = None
        self._count = 0

    def add(self, frame: np.ndarray, time: float | None) -> None:
        """Takes the next frame, uint8 (h, w, 3), and its time in seconds."""
        before, self._before = self._before, (frame, time)
        self._count += 1
        if before is None or (self._count - 2) % self._step:
            return
        seconds = None if time is None or before[1] is None else time - before[1]
        shrunk = np.stack([self._shrunk(before[0]), self._shrunk(frame)])
        grey = degradation.middle(before[0])
        self._kept.append(Pair(shrunk, self._count - 1, seconds, grey))
        if len(self._kept) > _SPARE * self._wanted:
            self._kept, self._step = self._kept[::2], 2 * self._step

    def pairs(self, cuts: list[int]) -> list[Pair]:
        """Returns the pairs wanted, evenly spread, none across a cut (number of a first frame)."""
        whole = [pair for pair in self._kept if pair.number not in set(cuts)]
        count = min(self._wanted, len(whole))
        return [whole[int((i + 0.5) * len(whole) / count)] for i in range(count)]

    def _shrunk(self, frame: np.ndarray) -> np.ndarray:
        size = estimated((frame.shape[0], frame.shape[1]), self._max_size)
        if size == frame.shape[:2]:
            return frame
        return cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA)


def estimated(size: tuple[int, int], max_size: int | None) -> tuple[int, int]:
    """Returns the (height, width) at which frames are estimated: their own, or the longer side
    `max_size` and the shorter one the nearest multiple of 16."""
    if max_size is None or max(size) <= max_size:
        return size
    short = min(size) * max_size / max(size)
    short = max(_STEP, round(short / _STEP) * _STEP)
    return (max_size, short) if size[0] > size[1] else (short, max_size)
