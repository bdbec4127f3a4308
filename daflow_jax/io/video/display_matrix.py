"""The display matrix of a video: how a viewer turns and mirrors the stored pictures."""

import struct
from typing import Any

from daflow_jax.io import orientation

_FLIPS = {(False, False): 1, (False, True): 2, (True, True): 3, (True, False): 4}


def of_frame(frame: Any) -> int:
    """Returns the orientation (1 to 8, as in Exif) that a decoded frame carries; 1 = upright."""
    from av.sidedata.sidedata import Type

    data = frame.side_data.get(Type.DISPLAYMATRIX)
    return 1 if data is None else of_matrix(bytes(data))


def of_matrix(data: bytes) -> int:
    """Returns the orientation (1 to 8) of a display matrix: 9 int32, x' = ax + cy, y' = bx + dy.

    Only quarter turns and mirrors change pixels without resampling; other angles count as upright.
    """
    a, b, _, c, d = struct.unpack("=5i", data[:20])
    straight, turned = min(abs(a), abs(d)), min(abs(b), abs(c))
    rest = min(abs(a) + abs(d), abs(b) + abs(c))
    if max(straight, turned) <= 28 * rest:  # more than one degree off
        return 1
    if straight > turned:
        return _FLIPS[d < 0, a < 0]
    return 4 + _FLIPS[b < 0, c < 0]


def size(stored: tuple[int, int], turn: int) -> tuple[int, int]:
    """Returns (height, width) as shown, of a picture stored in that size."""
    return (stored[1], stored[0]) if turn >= 5 else stored


def turns(upright: bool | None) -> bool:
    """Returns whether pictures are turned: `upright`, or where it is None what the switch says."""
    return not orientation.is_kept() if upright is None else upright
