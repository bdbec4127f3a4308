"""MATLAB's `imresize` with the bicubic kernel: the down-scaling of the field's BI benchmarks.

Every function takes NumPy arrays and traced ones alike; weights are made in float64.
"""

import functools
import math
from typing import Any

import numpy as np

from daflow_jax.degrade import linear

_SUPPORT = 4.0  # of the cubic kernel in pixels


def weights(length: int, scale: float | int) -> np.ndarray:
    """Returns the (ceil(length * scale), length) float64 matrix of one axis.

    The kernel is Keys' cubic with a = -0.5, stretched by 1 / scale where the result is smaller
    (antialiasing), and the border is mirrored.
    """
    return _weights(length, float(scale))


@functools.lru_cache(maxsize=64)
def _weights(length: int, scale: float) -> np.ndarray:
    new, shrink = math.ceil(length * scale), min(scale, 1.0)
    width = _SUPPORT / shrink
    place = np.arange(1, new + 1)
    center = place / scale + 0.5 * (1 - 1 / scale)  # 1-based, as MATLAB counts
    taps = np.floor(center - width / 2)[:, None] + np.arange(math.ceil(width) + 2)
    values = shrink * _cubic(shrink * (center[:, None] - taps))
    values /= values.sum(1, keepdims=True)
    mirrored = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    source = mirrored[np.mod(taps.astype(int) - 1, 2 * length)]
    matrix = np.zeros((new, length))
    np.add.at(matrix, (np.repeat(np.arange(new), taps.shape[1]), source.ravel()), values.ravel())
    return matrix


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def resize(frames: Any, scale: float | int) -> Any:
    """Returns frames (..., h, w, c) `scale` times as large, in the same units, not clipped.

    Floating-point arrays keep their dtype; sides are rounded up.
    """
    rows, columns = (weights(side, scale) for side in frames.shape[-3:-1])
    return linear.along_both(rows, columns, frames)


def stored(frames: Any) -> Any:
    """Returns frames in [0, 1] as an 8-bit file holds them, as floats: halves are rounded up."""
    numpy = linear.module_of(frames)
    return numpy.clip(numpy.floor(255 * frames + 0.5), 0, 255) / 255
