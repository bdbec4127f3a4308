"""Change of resolution (OpenCV): float32 images, the outer edges of the corners aligned."""

import cv2
import numpy as np

MODES = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def to_size(image: np.ndarray, height: int, width: int, mode: str) -> np.ndarray:
    """Returns the image (h, w, 3) at another size; mode is a key of `MODES`."""
    return cv2.resize(image, (width, height), interpolation=MODES[mode])


def scaled_size(length: int, factor: float | int) -> int:
    """Returns the length after division by `factor`, at least 4 pixels."""
    return max(int(round(length / factor)), min(4, length))
