"""JPEG compression (OpenCV's codec, 4:2:0)."""

import cv2
import numpy as np


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Returns the uint8 RGB image (h, w, 3) after JPEG of quality 1..100."""
    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    done, packed = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    decoded = cv2.imdecode(packed, cv2.IMREAD_COLOR) if done else None
    if decoded is None:
        raise ValueError(f"JPEG encoder refused an image of shape {image.shape}")
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
