"""Change of resolution: float32 images, the outer edges of the corners aligned.

`to_size` is OpenCV's. `published` is PyTorch's, which the Real-ESRGAN family uses: a given factor
(not the ratio of the sizes) maps the coordinates, and "area" averages whole pixels.
"""

import cv2
import numpy as np

from daflow_jax.errors import UserError, nearest

MODES = {
    "area": cv2.INTER_AREA,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST,
}


def to_size(image: np.ndarray, height: int, width: int, mode: str) -> np.ndarray:
    """Returns the image (h, w, 3) at another size; mode is a key of `MODES`."""
    if mode not in MODES:
        raise UserError("resize", f"unknown mode {mode!r}", nearest(mode, MODES))
    return cv2.resize(image, (width, height), interpolation=MODES[mode])


def scaled_size(length: int, factor: float | int) -> int:
    """Returns the length after division by `factor`, at least 4 pixels."""
    return max(int(round(length / factor)), min(4, length))


def even_size(length: int, scale: float | int) -> int:
    """Returns the length times `scale`, cut to an even number, at least 4 (RealBasicVSR)."""
    return max(2 * int(length * scale / 2), 4)


def published(
    image: np.ndarray, height: int, width: int, mode: str, factor: float | int = 0.0
) -> np.ndarray:
    """Returns the image (h, w, 3) resized as PyTorch does without antialiasing.

    `factor` > 0 maps the coordinates; 0 takes the ratios of the sizes. "area" ignores it.
    """
    if mode == "area":
        return _area(image, height, width)
    if not factor:
        return to_size(image, height, width, mode)
    for length in (height, width):  # each turn brings the other axis to the front
        image = cv2.transpose(_rows(image, length, mode, factor))
    return image


def _rows(image: np.ndarray, length: int, mode: str, factor: float | int) -> np.ndarray:
    index, weights = taps(image.shape[0], length, mode, factor)
    out = image.take(index[0], 0) * weights[0][:, None, None]
    for at, weight in zip(index[1:], weights[1:], strict=True):
        out += image.take(at, 0) * weight[:, None, None]
    return out


def taps(
    source: int, target: int, mode: str, factor: float | int = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the source places (k, target) and their float32 weights of one axis.

    Bilinear k = 2, bicubic k = 4 with a = -0.75; places beyond the border repeat its pixel.
    """
    center = (np.arange(target) + 0.5) / (factor or target / source) - 0.5
    if mode == "bilinear":
        center = np.maximum(center, 0)
    base = np.floor(center)
    offsets = np.arange(2) if mode == "bilinear" else np.arange(-1, 3)
    distance = np.abs(center - base - offsets[:, None])
    index = np.clip(base + offsets[:, None], 0, source - 1).astype(np.intp)
    if mode == "bilinear":
        return index, (1 - distance).astype(np.float32)
    near = (1.25 * distance - 2.25) * distance**2 + 1
    far = ((-0.75 * distance + 3.75) * distance - 6) * distance + 3
    return index, np.where(distance <= 1, near, far).astype(np.float32)


def _area(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns means over the whole pixels that each target pixel touches."""
    total = cv2.integral(image, sdepth=cv2.CV_64F)
    top, bottom = _spans(image.shape[0], height)
    left, right = _spans(image.shape[1], width)
    rows = total[bottom] - total[top]
    sums = rows.take(right, 1) - rows.take(left, 1)
    return (sums / ((bottom - top)[:, None] * (right - left))[..., None]).astype(np.float32)


def _spans(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first source pixel of each target pixel, and the one behind its last."""
    place = np.arange(target)
    return place * source // target, -(-(place + 1) * source // target)
