"""Portable float map: "PF" (3 channels) or "Pf" (1), rows from the bottom to the top.

The sign of the scale tells the byte order: negative = little-endian.
"""

import math
import re

import numpy as np

from daflow_jax.errors import UserError

_GAP = rb"(?:[ \t\r\n]+|#[^\n]*\n)+"  # white space and comments
_NUMBER = rb"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_HEADER = re.compile(
    rb"(P[Ff])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + _NUMBER + rb"[ \t]*\r?\n"
)
_LONGEST = 4096  # bytes of a header


def decode(data: bytes, where: object) -> np.ndarray:
    """Returns float32 (h, w, 3) or (h, w, 1), rows from the top down."""
    header = _HEADER.match(data[:_LONGEST])
    if header is None:
        rule = f"starts with {data[:12]!r}; a .pfm file starts with PF, width, height and scale"
        raise UserError(where, rule, "The file is damaged or of another format: convert it")
    channels = 3 if header[1] == b"PF" else 1
    width, height, scale = int(header[2]), int(header[3]), float(header[4])
    if not math.isfinite(scale) or scale == 0:
        rule = f"its scale is {header[4].decode()}; the sign says the byte order"
        raise UserError(where, rule, "The file is damaged: write it again")
    need = header.end() + 4 * width * height * channels
    if not need == len(data) or width * height == 0:
        rule = f"{len(data)} bytes; its header says {width}x{height}x{channels}: {need} bytes"
        raise UserError(where, rule, "The file is cut or damaged: copy it again")
    values = np.frombuffer(data, "<f4" if scale < 0 else ">f4", offset=header.end())
    return values.reshape(height, width, channels)[::-1].astype(np.float32)


def encode(values: np.ndarray) -> bytes:
    """Returns a little-endian .pfm of (h, w, 3), (h, w, 1), or flow (h, w, 2) with a third 0."""
    if values.shape[-1] == 2:
        values = np.concatenate([values, np.zeros_like(values[..., :1])], -1)
    height, width, channels = values.shape
    header = f"P{'F' if channels == 3 else 'f'}\n{width} {height}\n-1.000000\n"
    return header.encode() + values[::-1].astype("<f4").tobytes()
