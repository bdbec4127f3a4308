"""Middlebury .flo: "PIEH", int32 width and height, then rows of (x, y) float32, little-endian."""

import struct

import numpy as np

from daflow_jax.errors import UserError

TAG = struct.pack("<f", 202021.25)  # reads "PIEH"
UNKNOWN = 1e9  # Middlebury's rule: a component as large is unknown; written as 1e10


def decode(data: bytes, where: object) -> np.ndarray:
    """Returns flow float32 (h, w, 2), `UNKNOWN` or more where unknown."""
    if data[:4] != TAG:
        rule = f"starts with {data[:4]!r}; a .flo file starts with b'PIEH'"
        raise UserError(where, rule, "Is it big-endian or another format? Rename or convert it")
    if len(data) < 12:
        raise UserError(where, f"{len(data)} bytes; the header alone has 12", "Copy it again")
    width, height = struct.unpack("<ii", data[4:12])
    need = 12 + 8 * width * height
    if width < 1 or height < 1 or len(data) != need:
        rule = f"{len(data)} bytes; its header says {width}x{height}, which is {need} bytes"
        raise UserError(where, rule, "The file is cut or damaged: copy it again")
    return np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)


def encode(flow: np.ndarray) -> bytes:
    """Returns the bytes of a .flo file of `flow` (h, w, 2)."""
    height, width = flow.shape[:2]
    return TAG + struct.pack("<ii", width, height) + flow.astype("<f4").tobytes()
