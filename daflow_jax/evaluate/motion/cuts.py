"""Cuts of a video, found while its frames come by."""

from collections import deque

import cv2
import numpy as np

from daflow_jax.evaluate import baselines

_SIDE = 128  # [choice] px: the longer side of what is compared
_NEAR = 2  # frames on either side that a change is compared with
_RATIO, _LEAST = 3.0, 15.0  # PySceneDetect's AdaptiveDetector
_ALONE = 27.0  # its ContentDetector, where a change has nothing to be compared with


class CutFinder:
    """Finds cuts as PySceneDetect's AdaptiveDetector does: two neighbouring frames differ in hue,
    saturation and value by `_LEAST` of 255 on average, and `_RATIO` times as much as the frames
    around them. Frames that differ so are first aligned by DIS flow, since fast motion differs as
    much. A flash of one or two frames is not a cut; nor is a dissolve.
    """

    def __init__(self) -> None:
        self.cuts: list[int] = []  # numbers of the frames that begin a scene
        self._changes: list[float] = []  # [k]: between frame k - 1 and frame k
        self._frames: deque[np.ndarray] = deque(maxlen=2 * _NEAR + 2)  # the last ones, shrunk

    def add(self, frame: np.ndarray) -> None:
        """Takes the next frame, uint8 (h, w, 3)."""
        small = _shrunk(frame)
        self._changes.append(_change(self._frames[-1], small) if self._frames else 0.0)
        self._frames.append(small)
        self._decide(len(self._changes) - 1 - _NEAR)

    def finish(self) -> list[int]:
        """Returns the cuts after the last frame."""
        count = len(self._changes)
        for number in range(max(count - _NEAR, 1), count):
            self._decide(number)
        return self.cuts

    def _decide(self, number: int) -> None:
        if number < 1 or (change := self._changes[number]) < _LEAST:
            return
        before = self._changes[max(number - _NEAR, 1) : number]
        around = before + self._changes[number + 1 : number + 1 + _NEAR]
        if change < (_RATIO * float(np.mean(around)) if around else _ALONE):
            return
        if min(self._across(number)) >= _LEAST:
            self.cuts.append(number)

    def _across(self, number: int) -> list[float]:
        """Returns the changes between frames on both sides, up to three apart."""
        first = len(self._changes) - len(self._frames)
        held = range(first, len(self._changes))
        return [
            _change(self._frames[a - first], self._frames[b - first])
            for a in range(number - _NEAR - 1, number)
            for b in range(number, number + _NEAR + 1)
            if a in held and b in held and b - a <= _NEAR + 1
        ]


def _shrunk(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    share = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * share)), max(1, round(height * share))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _change(one: np.ndarray, two: np.ndarray) -> float:
    """Returns by how much two frames differ, the second one aligned to the first if it helps."""
    plain = _difference(one, two)
    if plain < _LEAST:
        return plain
    x, y = np.moveaxis(baselines.dis(np.stack([one, two])), -1, 0)
    rows, columns = np.indices(x.shape, np.float32)
    border = cv2.BORDER_REPLICATE
    aligned = cv2.remap(two, columns + x, rows + y, cv2.INTER_LINEAR, borderMode=border)
    return min(plain, _difference(one, aligned))


def _difference(one: np.ndarray, two: np.ndarray) -> float:
    both = (cv2.cvtColor(frame, cv2.COLOR_RGB2HSV) for frame in (one, two))
    return float(cv2.absdiff(*both).mean())
