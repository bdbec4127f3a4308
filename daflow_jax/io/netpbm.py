"""Netpbm pictures, grey (P2, P5) and colour (P3, P6), scaled by the maxval that they name."""

import re

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import limits

_GAP = rb"(?:\s|#[^\n\r]*[\n\r])+"
_HEADER = re.compile(rb"P([2356])" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)\s")
_LONGEST = 65536  # bytes of a header with its comments


def is_netpbm(data: bytes) -> bool:
    """Returns whether `data` starts like a picture that `decode` reads."""
    return re.match(rb"P[2356][\s#]", data[:3]) is not None


def decode(data: bytes, where: object) -> np.ndarray:
    """Returns uint8 or uint16 (h, w), or (h, w, 3) in OpenCV's BGR order.

    Values of 0 to maxval become 0 to 255, or 0 to 65535 if maxval is above 255.
    """
    header = _HEADER.match(data[:_LONGEST])
    if header is None:
        rule = "damaged image: a Netpbm picture starts with P5 or P6, width, height and maxval"
        raise UserError(where, rule, "Copy or download it again")
    kind, (width, height, most) = int(header[1]), (_number(header[k]) for k in (2, 3, 4))
    if not 1 <= most <= 65535:
        raise UserError(where, f"its maxval is {most}; it is 1 to 65535", "Write it again")
    limits.check_size(where, width, height)
    channels = 3 if kind in (3, 6) else 1
    count = width * height * channels
    body = memoryview(data)[header.end() :]
    values = _plain(body, count, where) if kind < 4 else _raw(body, count, most, where)
    full = 255 if most <= 255 else 65535
    if most != full:
        scaled = np.minimum(values, most).astype(np.uint32) * full
        values = (scaled + most // 2) // most
    pixels = values.astype(np.uint8 if full == 255 else np.uint16)
    shaped = pixels.reshape(height, width, channels)
    return shaped[..., 0] if channels == 1 else shaped[..., ::-1]


def _number(digits: bytes) -> int:
    return int(digits[:12])  # longer ones are beyond every limit as well


def _raw(body: memoryview, count: int, most: int, where: object) -> np.ndarray:
    kind = np.dtype(">u2" if most > 255 else np.uint8)
    if len(body) < count * kind.itemsize:
        raise UserError(where, "truncated image", "Copy or download it again")
    return np.frombuffer(body, kind, count)


def _plain(body: memoryview, count: int, where: object) -> np.ndarray:
    text = re.sub(rb"#[^\n\r]*", b" ", bytes(body))
    words = text.split(maxsplit=count)[:count]
    if len(words) < count:
        raise UserError(where, "truncated image", "Copy or download it again")
    if not all(word.isdigit() and len(word) <= 5 for word in words):
        raise UserError(where, "damaged image: it holds what is not a number", "Copy it again")
    return np.array(words, dtype="S5").astype(np.int64)
