"""PSNR and SSIM as the field's protocols define them, in float64 on the host.

Three definitions of SSIM share the window of Wang et al. (2004), 11 x 11 with sigma 1.5, and give
three different numbers for the same frames:

- `ssim`, "window": each channel, only where the window fits (BasicSR; VRT's super-resolution);
- `ssim_volume`, "volume": the channels are a third axis of the window, edges repeated (MATLAB's
  ssim on an RGB array; the DVD figures);
- `ssim_whole`, "whole": each channel, edges mirrored, nothing cut (whole-array implementations).

Frames are those of files: uint8, or floats in 0..255.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

RANGE = 255.0
WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
_Y = np.array([65.481, 128.553, 24.966]) / 255  # BT.601, studio range


def luma(frames: np.ndarray) -> np.ndarray:
    """Returns Y of BT.601 in studio range, float64 (..., h, w, 1) in 16..235, not rounded."""
    return (16 + frames.astype(np.float64) @ _Y)[..., None]


def cut(frames: np.ndarray, border: int) -> np.ndarray:
    """Returns frames (..., h, w, c) without `border` pixels on every side."""
    if not border:
        return frames
    return frames[..., border:-border, border:-border, :]


def psnr(frame: np.ndarray, target: np.ndarray) -> float:
    """Returns the peak signal-to-noise ratio in dB over all pixels and channels; inf if equal."""
    error = np.mean((frame.astype(np.float64) - target.astype(np.float64)) ** 2)
    return float(10 * np.log10(RANGE**2 / error)) if error else float("inf")


def ssim(frame: np.ndarray, target: np.ndarray) -> float:
    """Returns the structural similarity of (h, w, c), windows inside of the frame only."""
    half = WINDOW // 2
    return float(_map(frame, target, (0, 1), "nearest")[half:-half, half:-half].mean())


def ssim_volume(frame: np.ndarray, target: np.ndarray) -> float:
    """Returns the structural similarity of (h, w, 3) with a window of 11 x 11 x 11."""
    return float(_map(frame, target, (0, 1, 2), "nearest").mean())


def ssim_whole(frame: np.ndarray, target: np.ndarray) -> float:
    """Returns the structural similarity of (h, w, c) over all pixels, edges mirrored."""
    return float(_map(frame, target, (0, 1), "reflect").mean())


SSIM: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "window": ssim,
    "volume": ssim_volume,
    "whole": ssim_whole,
}


def _map(frame: np.ndarray, target: np.ndarray, axes: tuple[int, ...], mode: str) -> np.ndarray:
    if min(frame.shape[:2]) < WINDOW:
        size = f"{frame.shape[1]}x{frame.shape[0]}"
        raise ValueError(f"frame is {size}; SSIM needs {WINDOW}x{WINDOW}; leave it out")
    a, b = frame.astype(np.float64), target.astype(np.float64)
    mean_a, mean_b, aa, bb, ab = (_blur(x, axes, mode) for x in (a, b, a * a, b * b, a * b))
    var_a, var_b, covariance = aa - mean_a**2, bb - mean_b**2, ab - mean_a * mean_b
    top = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    return top / ((mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2))


def _blur(x: np.ndarray, axes: tuple[int, ...], mode: str) -> np.ndarray:
    at = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-(at**2) / (2 * _SIGMA**2))
    window /= window.sum()
    for axis in axes:
        x = ndimage.correlate1d(x, window, axis, mode=mode)
    return x
