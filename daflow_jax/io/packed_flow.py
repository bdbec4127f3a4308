"""Flow as bytes inside a record: exact, small, and quick to read back.

Layout: b"DAF1", int32 height and width (little-endian), then zlib of the float32 values (unknown =
NaN) with the four bytes of a number apart: all first bytes of x, then of y, then all second bytes.
"""

import struct
import zlib

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import limits

_TAG = b"DAF1"
_LEVEL = 6  # [choice] 1 is 3 x as fast and up to 60 % larger; 9 gains 5 % and takes 6 x as long


def encode(flow: np.ndarray, valid: np.ndarray) -> bytes:
    """Returns the bytes of flow (h, w, 2), kept exactly as float32 where `valid` (h, w)."""
    values = np.where(valid[..., None], flow, np.nan).astype("<f4")
    planes = np.moveaxis(values, -1, 0).copy().view(np.uint8).reshape(-1, 4).T
    head = _TAG + struct.pack("<ii", *flow.shape[:2])
    return head + zlib.compress(np.ascontiguousarray(planes).tobytes(), _LEVEL)


def decode(data: bytes, where: object) -> tuple[np.ndarray, np.ndarray]:
    """Returns flow float32 (h, w, 2), 0 where unknown, and valid bool (h, w)."""
    if data[:4] != _TAG or len(data) < 12:
        raise UserError(where, f"starts with {data[:4]!r}, not {_TAG!r}", "Build the set again")
    height, width = struct.unpack("<ii", data[4:12])
    limits.check_size(where, width, height)
    need = 8 * height * width
    try:
        unpacked = zlib.decompressobj().decompress(data[12:], need + 1)  # no more than is due
        planes = np.frombuffer(unpacked, np.uint8).reshape(4, -1)
        values = np.ascontiguousarray(planes.T).view("<f4").reshape(2, height, width)
    except (zlib.error, ValueError) as error:
        raise UserError(where, "damaged flow", "Build the set again") from error
    flow = np.moveaxis(values, 0, -1).astype(np.float32)
    valid = np.asarray(np.isfinite(flow).all(-1))
    return np.where(valid[..., None], flow, np.float32(0)), valid
