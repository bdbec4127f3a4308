"""How a picture is turned upright: the orientation tag (Exif 274) of 1 to 8, as viewers apply it.

By default pictures are turned as a viewer shows them, alike in every format. One switch keeps them
as stored: `keep_stored` for a program, DAFLOW_ORIENTATION=stored for a person, which child
processes see as well.
"""

import os
import struct

import numpy as np

from daflow_jax.errors import UserError

VARIABLE = "DAFLOW_ORIENTATION"
UPRIGHT, STORED = "upright", "stored"
TAG = 274
_NUMBERS = {3: "H", 4: "I"}  # some programs write a long where a short is due
_MIRRORED_TURNS = {  # AVIF: quarter turns to the left, then the axis of a mirror: 0 = up and down
    (0, None): 1, (0, 1): 2, (2, None): 3, (0, 0): 4, (1, 0): 5, (3, None): 6, (3, 0): 7,
    (1, None): 8, (1, 1): 7, (2, 0): 2, (2, 1): 4, (3, 1): 5,
}  # fmt: skip


def keep_stored(keep: bool = True) -> None:
    """Sets whether this process and its children read pictures as stored, not upright."""
    os.environ[VARIABLE] = STORED if keep else UPRIGHT


def is_kept() -> bool:
    """Returns whether pictures are read as stored."""
    value = os.environ.get(VARIABLE) or UPRIGHT
    if value not in (UPRIGHT, STORED):
        raise UserError(VARIABLE, f"is {value[:40]!r}", f"Use {UPRIGHT} or {STORED}")
    return value == STORED


def is_applied(upright: bool | None) -> bool:
    """Returns whether to turn a picture: as an argument says, and as the switch does if None."""
    return not is_kept() if upright is None else upright


def apply(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Returns pixels (h, w) or (h, w, c) as a viewer shows them; a view where nothing turns."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def of_exif(data: bytes) -> int:
    """Returns the orientation in a block of Exif; 1 where it has none or is damaged."""
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return 1
    (start,) = struct.unpack(f"{order}I", data[4:8])
    count = struct.unpack(f"{order}H", data[start : start + 2])[0] if start + 2 <= len(data) else 0
    for index in range(count):
        entry = data[start + 2 + 12 * index : start + 14 + 12 * index]
        if len(entry) < 12:
            return 1
        tag, kind, length = struct.unpack(f"{order}HHI", entry[:8])
        if tag == TAG and kind in _NUMBERS and length == 1:
            return sound(struct.unpack_from(order + _NUMBERS[kind], entry, 8)[0])
    return 1


def of_turns(quarters: int, mirror: int | None) -> int:
    """Returns the orientation of AVIF's rotation (quarter turns to the left) and mirror axis."""
    return _MIRRORED_TURNS[quarters % 4, mirror]


def sound(value: int) -> int:
    """Returns `value` if it is an orientation, else 1."""
    return value if 1 <= value <= 8 else 1
