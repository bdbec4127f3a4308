"""Blur kernels and their application (NumPy and OpenCV)."""

import cv2
import numpy as np


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


def apply(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Returns the float32 (h, w, 3) image correlated with a kernel, reflected at the border."""
    return cv2.filter2D(image, -1, kernel.astype(np.float32), borderType=cv2.BORDER_REFLECT_101)


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
            borderType=cv2.BORDER_REFLECT_101,
        )
    size = 2 * int(np.ceil(3 * max(sigma_x, sigma_y))) + 1
    return apply(image, gaussian(size, max(sigma_x, 1e-3), max(sigma_y, 1e-3), theta))
