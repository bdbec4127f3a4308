"""Changes of brightness and colour on float32 images in 0..255 (NumPy); clipped, not rounded."""

from typing import Any, cast

import cv2
import numpy as np

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Returns the picture rounded (half to even) and clipped to bytes."""
    return cv2.add(image, cast(Any, 0), dtype=cv2.CV_8U)


def brightness(image: np.ndarray, lift: float | int) -> np.ndarray:
    """Returns the image with `lift` (a share of white) added to the brightest channel (HSV value).

    Hue and saturation stay, so that colours are scaled and not washed out; clipped at white.
    """
    value = image.max(-1, keepdims=True)
    lifted = np.clip(value + np.float32(255 * lift), 0, 255)
    return np.where(value > 0, image * (lifted / np.maximum(value, 1)), lifted)


def contrast(image: np.ndarray, share: float | int) -> np.ndarray:
    """Returns the image with a share of its contrast left, about its mean colour."""
    mean = image.mean((0, 1), keepdims=True)
    return (image - mean) * np.float32(share) + mean


def saturate(image: np.ndarray, factor: float | int) -> np.ndarray:
    """Returns the image with its colour, the distance from its luma, times `factor`; clipped."""
    luma = (image @ _LUMA)[..., None]
    return np.clip(luma + np.float32(factor) * (image - luma), 0, 255)
