"""Blur and down-scaling by 4: the BD benchmarks, in their two forms that do not fit together.

Every function takes NumPy arrays and traced ones alike.
"""

from typing import Any

import numpy as np

from daflow_jax.degrade import linear

FACTOR = 4
SIGMA = 1.6  # pixels


def kernel(size: int) -> np.ndarray:
    """Returns the (size,) float64 weights of a Gaussian of sigma 1.6 pixels on one axis."""
    at = np.arange(size) - (size - 1) / 2
    window = np.exp(-(at**2) / (2 * SIGMA**2))
    return window / window.sum()


def blur_down(frames: Any) -> Any:
    """Returns frames (..., h / 4, w / 4, c): MATLAB's BD of UDM10, Vimeo-90K and Vid4.

    Gaussian 12 x 12, edges repeated, rows 2, 6, 10, ... counted from 1: the sample lies in the
    middle of its 4 x 4 cell, as that of BI (KAIR, generate_LR_UDM10_BD.m).
    """
    return _along_both(frames, 12, first=-4, mirrored=False)


def duf_down(frames: Any) -> Any:
    """Returns frames (..., h / 4, w / 4, c) as DUF made its BD: shifted by 1.5 pixels.

    Gaussian 13 x 13, borders mirrored, rows 0, 4, 8, ... (BasicSR, duf_downsample).
    """
    return _along_both(frames, 13, first=-6, mirrored=True)


def matrix(length: int, size: int, first: int, mirrored: bool) -> np.ndarray:
    """Returns the (length // 4, length) float64 matrix of one axis.

    Args:
        first: place of the first of `size` taps of the first sample. mirrored: borders without
            their last pixel repeated; else the last pixel is.
    """
    new, window = length // FACTOR, kernel(size)
    taps = FACTOR * np.arange(new)[:, None] + first + np.arange(size)
    if mirrored:
        taps = np.abs(taps)
        taps = np.minimum(taps, 2 * (length - 1) - taps)
    taps = np.clip(taps, 0, length - 1)
    out = np.zeros((new, length))
    np.add.at(out, (np.repeat(np.arange(new), size), taps.ravel()), np.tile(window, new))
    return out


def _along_both(frames, size, first, mirrored):
    rows, columns = (matrix(side, size, first, mirrored) for side in frames.shape[-3:-1])
    return linear.along_both(rows, columns, frames)
