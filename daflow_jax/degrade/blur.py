"""Blur kernels and their application (NumPy and OpenCV)."""

import functools

import cv2
import numpy as np
from scipy import special

_DIRECT = 11  # OpenCV sums kernels up to this size in space, larger ones go by Fourier transform
_BORDER = cv2.BORDER_REFLECT_101
_TOLERANCE = 1e-4  # what a fast form of a kernel may lack, as a share of white


def gaussian(
    size: int, sigma_x: float | int, sigma_y: float | int, theta: float | int = 0.0
) -> np.ndarray:
    """Returns a Gaussian kernel (size, size) that sums to 1, turned by theta radians.

    The long axis of sigma_x points along theta from x (right) to y (down) (Real-ESRGAN kernels).
    """
    return shaped(size, sigma_x, sigma_y, theta, kind="gaussian")


def shaped(
    size: int,
    sigma_x: float | int,
    sigma_y: float | int,
    theta: float | int = 0.0,
    beta: float | int = 1.0,
    kind: str = "gaussian",
) -> np.ndarray:
    """Returns a "gaussian", "generalized" or "plateau" kernel, float64 (size, size), sum 1.

    With q = x^T S^-1 x: exp(-q/2), exp(-q^beta/2), 1/(1+q^beta) (Real-ESRGAN, sec. 3.1).
    """
    axis = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(axis, axis)
    cos, sin = np.cos(theta), np.sin(theta)
    along, across = cos * x + sin * y, -sin * x + cos * y
    q = (along / sigma_x) ** 2 + (across / sigma_y) ** 2
    if kind == "gaussian":
        kernel = np.exp(-0.5 * q)
    elif kind == "generalized":
        kernel = np.exp(-0.5 * q**beta)
    elif kind == "plateau":
        kernel = 1 / (1 + q**beta)
    else:
        raise ValueError(f"kernel kind {kind!r}; known: gaussian, generalized, plateau")
    return kernel / kernel.sum()


def motion(length: float | int, theta: float | int) -> np.ndarray:
    """Returns the kernel of a straight camera shake of `length` pixels along theta, sum 1."""
    half = int(np.ceil(length / 2)) + 1
    axis = np.arange(-half, half + 1)
    x, y = np.meshgrid(axis, axis)
    along = np.cos(theta) * x + np.sin(theta) * y
    across = -np.sin(theta) * x + np.cos(theta) * y
    line = np.clip(length / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(across), 0, 1)
    return line / line.sum()


def sinc(size: int, omega: float | int) -> np.ndarray:
    """Returns a circular low-pass kernel (size, size), cut off at omega <= pi, sum 1: it rings.

    omega J1(omega r) / (2 pi r), and omega^2 / (4 pi) in the middle (Real-ESRGAN, sec. 3.3).
    """
    axis = np.arange(size) - (size - 1) / 2
    radius = np.hypot(*np.meshgrid(axis, axis))
    away = np.maximum(radius, 1e-9)
    kernel = omega * special.j1(omega * away) / (2 * np.pi * away)
    kernel[radius < 1e-9] = omega**2 / (4 * np.pi)
    return kernel / kernel.sum()


def disc(radius: float | int) -> np.ndarray:
    """Returns the kernel of a lens out of focus: a disc of `radius` pixels, soft edge, sum 1."""
    half = int(np.ceil(radius + 0.5))
    axis = np.arange(-half, half + 1)
    kernel = np.clip(radius + 0.5 - np.hypot(*np.meshgrid(axis, axis)), 0, 1)
    return kernel / kernel.sum()


def apply(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Returns the float32 (h, w, 3) image correlated with a kernel, reflected at the border.

    Takes the cheapest form that lacks no more than 1e-4 of white: the kernel without its empty
    border, a few separable passes, or the whole kernel.
    """
    kernel = _crop(kernel)
    size = kernel.shape[0]
    left, strength, right = np.linalg.svd(kernel)
    lost = np.cumsum((strength * abs(left).sum(0) * abs(right).sum(1))[::-1])[::-1]
    rank = int((lost > _TOLERANCE).sum())
    whole = size * size if size <= _DIRECT else 4 * _DIRECT**2
    if rank * (2.3 * size + 10) >= whole:  # in taps; 10 is a pass over memory
        return cv2.filter2D(image, -1, kernel.astype(np.float32), borderType=_BORDER)
    pairs = [(_even(right[i]), _even(left[:, i] * strength[i])) for i in range(rank)]
    passes = [cv2.sepFilter2D(image, -1, x, y, borderType=_BORDER) for x, y in pairs]
    return functools.reduce(cv2.add, passes)


def _even(taps: np.ndarray) -> np.ndarray:
    """Returns float32 taps, exactly even or odd about the middle if they nearly are: OpenCV sees it
    and needs half the time. All kernels here are the same when turned by half a circle."""
    for turned in (taps[::-1], -taps[::-1]):
        if np.abs(taps - turned).max() < 1e-6:
            return ((taps + turned) / 2).astype(np.float32)
    return taps.astype(np.float32)


def _crop(kernel: np.ndarray) -> np.ndarray:
    """Returns the middle of an odd square kernel, without the rings that hold next to nothing."""
    middle = kernel.shape[0] // 2
    weights = abs(np.asarray(kernel, np.float64))
    for half in range(middle):
        part = slice(middle - half, middle + half + 1)
        if weights.sum() - weights[part, part].sum() < _TOLERANCE / 50:
            return np.asarray(kernel, np.float64)[part, part]
    return np.asarray(kernel, np.float64)


def sharpen(
    image: np.ndarray,
    weight: float | int = 0.5,
    radius: int = 50,
    threshold: float | int = 10,
    coarse: bool = False,
) -> np.ndarray:
    """Returns the float32 image (0..255) after unsharp masking where it differs from its blur.

    Details above `threshold` are lifted by `weight`, with a soft edge (Real-ESRGAN's ground truth).
    `coarse` makes the two wide blurs on every fourth pixel: half the time, 0.05 grey levels off on
    average, at most about 3.
    """
    wide = _coarse_gaussian if coarse else _gaussian
    details = wide(image, radius | 1)
    np.subtract(image, details, out=details)  # fresh memory costs more than the arithmetic
    mask = np.abs(details)
    cv2.threshold(mask, threshold, 1.0, cv2.THRESH_BINARY, dst=mask)
    sharp = cv2.scaleAdd(details, weight, image)
    np.clip(sharp, 0, 255, out=sharp)
    sharp -= image
    sharp *= wide(mask, radius | 1)
    sharp += image
    return sharp


def _gaussian(image: np.ndarray, size: int) -> np.ndarray:
    return cv2.GaussianBlur(image, (size, size), 0)


def _coarse_gaussian(image: np.ndarray, size: int) -> np.ndarray:
    """Returns nearly `_gaussian`: blurred on a grid of about 4 pixels, with what the way there and
    back blurs taken off the variance."""
    height, width = image.shape[:2]
    taps = cv2.getGaussianKernel(size, 0)[:, 0]
    variance = taps @ (np.arange(size) - size // 2) ** 2
    sigma = float(np.sqrt((variance - 15 / 12 - 16 / 6) / 16))
    grid = (-(-width // 4), -(-height // 4))
    small = cv2.resize(image, grid, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (15, 15), sigma, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(blurred, (width, height))


def blur(
    image: np.ndarray, sigma_x: float | int, sigma_y: float | int, theta: float | int = 0.0
) -> np.ndarray:
    """Returns the image (float32, h, w, 3) blurred by a Gaussian; separable if theta is 0."""
    if theta == 0.0:
        return cv2.GaussianBlur(
            image,
            (0, 0),
            max(sigma_x, 1e-3),
            sigmaY=max(sigma_y, 1e-3),
            borderType=_BORDER,
        )
    size = 2 * int(np.ceil(3 * max(sigma_x, sigma_y))) + 1
    return apply(image, gaussian(size, max(sigma_x, 1e-3), max(sigma_y, 1e-3), theta))
