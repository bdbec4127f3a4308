"""The display matrix of a video: how a viewer turns and mirrors the stored pictures."""

import struct
from typing import Any, NamedTuple

import numpy as np


class Orientation(NamedTuple):
    """One of the eight ways to lay a picture: rows and columns swapped, then each maybe reversed.

    Attributes:
        swap: rows become columns.
        flip_rows: the first row shown is the last one (after swapping).
        flip_columns: the first column shown is the last one (after swapping).
    """

    swap: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Returns (h, w, ...) as shown; a view where nothing changes."""
        if self == UPRIGHT:
            return pixels
        laid = pixels.swapaxes(0, 1) if self.swap else pixels
        rows, columns = (slice(None, None, -1 if flip else 1) for flip in self[1:])
        return np.ascontiguousarray(laid[rows, columns])

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Returns (height, width) as shown of a stored picture."""
        return (width, height) if self.swap else (height, width)


UPRIGHT = Orientation()


def of_frame(frame: Any) -> Orientation:
    """Returns the orientation that a decoded frame carries; odd angles count as upright."""
    from av.sidedata.sidedata import Type

    data = frame.side_data.get(Type.DISPLAYMATRIX)
    return UPRIGHT if data is None else of_matrix(bytes(data))


def of_matrix(data: bytes) -> Orientation:
    """Returns what a display matrix says: 9 int32, x' = ax + cy, y' = bx + dy.

    Only quarter turns and mirrors change pixels without resampling; other angles count as upright.
    """
    a, b, _, c, d = struct.unpack("=5i", data[:20])
    straight, turned = min(abs(a), abs(d)), min(abs(b), abs(c))
    rest = min(abs(a) + abs(d), abs(b) + abs(c))
    if max(straight, turned) <= 28 * rest:  # more than one degree off
        return UPRIGHT
    if straight > turned:
        return Orientation(False, d < 0, a < 0)
    return Orientation(True, b < 0, c < 0)
