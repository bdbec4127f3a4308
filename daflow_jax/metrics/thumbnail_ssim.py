"""How alike two frames are at 32 x 32 pixels: the gate of RIFE's and CogVideo's video scripts.

Host arithmetic in float64: a thumbnail costs less than a millisecond, and nothing waits for the
accelerator.
"""

import functools

import numpy as np

from daflow_jax.metrics.image import SIGMA, STABILISERS, WINDOW

SIDE = 32  # pixels of a thumbnail


def thumbnail(frame: np.ndarray, padded: tuple[int, int] | None = None) -> np.ndarray:
    """Returns float64 (32, 32, 3) in [0, 1]: a frame resized bilinearly, without antialiasing.

    Args:
        frame: (h, w, 3), uint8, uint16 or float in [0, 1].
        padded: (height, width) of the frame with zeros at its bottom and right, None = its own.
    """
    size = padded or (frame.shape[0], frame.shape[1])
    rows, row_weights = _places(size[0], frame.shape[0])
    columns, column_weights = _places(size[1], frame.shape[1])
    small = np.einsum("ki,kiwc->iwc", row_weights, frame[rows].astype(np.float64))
    small = np.einsum("kj,ikjc->ijc", column_weights, small[:, columns])
    scale = np.iinfo(frame.dtype).max if np.issubdtype(frame.dtype, np.integer) else 1
    return small / scale


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the structural similarity of two thumbnails (32, 32, 3), 1 = equal.

    As the scripts compute it: colour, row and column are one volume, the Gaussian window is
    11 x 11 x 11 with sigma 1.5 on repeated edges, and the mean is over everything.
    """
    mean_a, mean_b = _blur(first), _blur(second)
    var_a, var_b = _blur(first * first) - mean_a**2, _blur(second * second) - mean_b**2
    covariance = _blur(first * second) - mean_a * mean_b
    c1, c2 = STABILISERS
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    bottom = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return float(np.mean(top / bottom))


@functools.cache
def _places(length: int, known: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the two pixels (2, 32) that each pixel of a thumbnail is between along an axis of
    `length`, and their weights, 0 where a pixel is beyond the `known` ones."""
    at = np.clip((np.arange(SIDE) + 0.5) * length / SIDE - 0.5, 0, length - 1)
    low = np.floor(at).astype(int)
    both = np.stack([low, np.minimum(low + 1, length - 1)])
    weights = np.stack([1 - (at - low), at - low])
    return np.minimum(both, known - 1), np.where(both < known, weights, 0)


def _blur(volume: np.ndarray) -> np.ndarray:
    for axis, size in enumerate(volume.shape):
        volume = np.moveaxis(np.tensordot(_window(size), volume, (1, axis)), 0, axis)
    return volume


@functools.cache
def _window(size: int) -> np.ndarray:
    """Returns the (size, size) matrix that blurs an axis whose edges are repeated."""
    at = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(at**2) / (2 * SIGMA**2))
    matrix = np.zeros((size, size))
    for row in range(size):
        np.add.at(matrix[row], np.clip(row + at, 0, size - 1), weights / weights.sum())
    return matrix
