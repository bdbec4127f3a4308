"""KITTI flow: 16-bit RGB png = (64 x + 32768, 64 y + 32768, valid)."""

from typing import NamedTuple

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import image

SCALE, OFFSET = 64.0, 32768.0


class Encoded(NamedTuple):
    """A complete png file and how many valid pixels left the range of about +-512 px."""

    data: bytes
    clipped: int


def decode(data: bytes, where: object) -> tuple[np.ndarray, np.ndarray]:
    """Returns flow float32 (h, w, 2) and valid bool (h, w); invalid pixels are 0 in the flow."""
    stored = image.decode(data, where)
    if stored.dtype != np.uint16 or stored.ndim != 3 or stored.shape[-1] != 3:
        channels = 1 if stored.ndim == 2 else stored.shape[-1]
        rule = (
            f"{8 * stored.dtype.itemsize}-bit with {channels} channels; "
            "KITTI flow is 16-bit with 3 channels"
        )
        raise UserError(where, rule, "A colour-wheel picture cannot be turned back into flow")
    valid = stored[..., 0] > 0  # OpenCV's order is blue first, and blue holds the mask
    flow = (stored[..., :0:-1].astype(np.float32) - OFFSET) / SCALE
    return np.where(valid[..., None], flow, 0).astype(np.float32), valid


def encode(flow: np.ndarray, valid: np.ndarray) -> Encoded:
    """Returns the png of `flow` rounded to 1/64 px; pixels out of range become invalid."""
    levels = np.rint(np.where(valid[..., None], flow, 0).astype(np.float64) * SCALE + OFFSET)
    fits = ((levels >= 0) & (levels <= 65535)).all(-1)
    kept = valid & fits
    rgb = np.dstack([np.clip(levels, 0, 65535) * kept[..., None], kept]).astype(np.uint16)
    return Encoded(image.encode(rgb, ".png"), int((valid & ~fits).sum()))
