"""Boxes of mean colour in one frame: motion that leads behind something (RAFT, augmentor)."""

import dataclasses
from typing import NamedTuple

import numpy as np


@dataclasses.dataclass(frozen=True)
class Boxes:
    """Share of clips with one or two boxes, and the range of their sides in pixels."""

    share: float = 0.5
    min_side: int = 50
    max_side: int = 100  # excluded


class Box(NamedTuple):
    """Corner and sides in pixels; what lies outside the frame is cut off."""

    left: int
    top: int
    width: int
    height: int

    @property
    def rows(self) -> slice:
        """Rows of the box."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """Columns of the box."""
        return slice(self.left, self.left + self.width)


def draw(config: Boxes, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Box, ...]:
    """Returns 0, 1 or 2 boxes with corners anywhere in a frame of `shape` (h, w)."""
    if not rng.random() < config.share:
        return ()
    sides = (config.min_side, config.max_side)
    bounds = ((0, shape[1]), (0, shape[0]), sides, sides)
    count = int(rng.integers(1, 3))
    return tuple(Box(*(int(rng.integers(*bound)) for bound in bounds)) for _ in range(count))


def apply(boxes: tuple[Box, ...], frame: np.ndarray) -> np.ndarray:
    """Returns uint8 (h, w, 3) with its mean colour in the boxes."""
    if not boxes:
        return frame
    frame, mean = frame.copy(), frame.mean((0, 1)).astype(np.uint8)
    for box in boxes:
        frame[box.rows, box.columns] = mean
    return frame
