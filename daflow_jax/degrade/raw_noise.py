"""Noise of a camera sensor, added where it arises: in the raw picture.

The sensor's noise is CRVD's: Poisson with gain a plus normal with variance b, in raw digits, for
five ISO values. Its learned ISP is not to be had; frames go to raw and back by a fixed stand-in:
gamma 2.2, white balance, Bayer GBRG, bilinear demosaicing. Name it where results are shown.

Every function takes NumPy arrays and traced ones alike.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.degrade import linear


class Sensor(NamedTuple):
    """gain: raw digits per electron. variance: of the read noise, raw digits squared."""

    gain: float
    variance: float


CRVD: dict[int, Sensor] = {  # RViDeNet (Yue et al., CVPR 2020), published code, by ISO
    1600: Sensor(3.513262, 11.917691),
    3200: Sensor(6.955588, 38.117816),
    6400: Sensor(13.486051, 130.818508),
    12800: Sensor(26.585953, 484.539790),
    25600: Sensor(52.032536, 1819.818657),
}
BLACK, WHITE = 240, 4095  # raw digits (CRVD)
GAMMA = 2.2  # [choice] of the stand-in
BALANCE = np.array([2.0, 1.0, 1.6], np.float32)  # [choice] gains of red, green, blue
_GBRG = ((1, 2), (0, 1))  # channel of the pixels of a 2 x 2 cell
_CROSS = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / 4
_SQUARE = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4


def mosaic(frames: Any) -> Any:
    """Returns clean raw digits (..., h, w) of frames (..., h, w, 3) in [0, 1]; h and w are even."""
    light = frames.clip(0, 1) ** GAMMA / BALANCE
    raw = sum(light[..., channel] * _mask(frames.shape, channel) for channel in range(3))
    return BLACK + raw * (WHITE - BLACK)


def develop(raw: Any) -> Any:
    """Returns frames (..., h, w, 3) in [0, 1] of raw digits (..., h, w)."""
    light = ((raw - BLACK) / (WHITE - BLACK)).clip(0, 1)
    planes = [
        _spread(light * _mask((*raw.shape, 3), channel), _CROSS if channel == 1 else _SQUARE)
        for channel in range(3)
    ]
    numpy = linear.module_of(raw)
    return (numpy.stack(planes, -1) * BALANCE).clip(0, 1) ** (1 / GAMMA)


def add(
    frames: Any,
    sensor: Sensor,
    poisson: Callable[[Any], Any],
    normal: Callable[[tuple[int, ...]], Any],
) -> Any:
    """Returns frames (..., h, w, 3) in [0, 1] with the noise of a sensor.

    Args:
        poisson: mean counts -> counts. normal: shape -> standard normals.
    """
    clean = mosaic(frames)
    counts = poisson((clean - BLACK) / sensor.gain)
    raw = BLACK + counts * sensor.gain + normal(clean.shape) * sensor.variance**0.5
    return develop(raw.clip(0, WHITE))


def _mask(shape: tuple[int, ...], channel: int) -> np.ndarray:
    height, width = shape[-3:-1]
    cell = (np.array(_GBRG) == channel).astype(np.float32)
    return np.tile(cell, (height // 2 + 1, width // 2 + 1))[:height, :width]


def _spread(plane: Any, window: np.ndarray) -> Any:
    """Returns known samples and, between them, the means of their known neighbours."""
    numpy = linear.module_of(plane)
    around = [(0, 0)] * (plane.ndim - 2) + [(1, 1), (1, 1)]
    padded = numpy.pad(plane, around, mode="reflect")
    height, width = plane.shape[-2:]
    return sum(
        window[y, x] * padded[..., y : y + height, x : x + width]
        for y in range(3)
        for x in range(3)
        if window[y, x]
    )
