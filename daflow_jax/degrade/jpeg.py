"""JPEG compression: OpenCV's codec, and the arithmetic of one without its file (both 4:2:0)."""

import cv2
import numpy as np

from daflow_jax.degrade import jpeg_tables as tables
from daflow_jax.errors import UserError

_LARGEST = 65500  # pixels a side: libjpeg's limit


def jpeg(image: np.ndarray, quality: int, order: str = "rgb") -> np.ndarray:
    """Returns the uint8 RGB image (h, w, 3) after JPEG of quality 1..100.

    `order` "bgr" hands the channels over unturned, so that red and blue change their weights in
    luma and chroma (RealBasicVSR's configuration does).
    """
    if order not in ("rgb", "bgr"):
        raise ValueError(f'order is {order!r}; the orders are "rgb" and "bgr"')
    if max(image.shape[:2]) > _LARGEST:
        rule = f"a frame of {image.shape[1]}x{image.shape[0]} is larger than JPEG takes"
        raise UserError("jpeg", rule, f"Use frames of at most {_LARGEST} pixels a side")
    swap = order == "rgb"
    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    turned = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if swap else image
    done, packed = cv2.imencode(".jpg", turned, options)
    decoded = cv2.imdecode(packed, cv2.IMREAD_COLOR) if done else None
    if decoded is None:
        raise ValueError(f"JPEG encoder refused an image of shape {image.shape}")
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB) if swap else decoded


def published(image: np.ndarray, quality: float | int) -> np.ndarray:
    """Returns the float32 image (0..255) after the JPEG of the Real-ESRGAN family (DiffJPEG).

    Tables are scaled but not rounded (that of luma transposed), chroma is averaged over 2 x 2 and
    repeated back, borders are
    black up to whole blocks of 16; the result is clipped and not rounded.
    """
    height, width = image.shape[:2]
    padded = cv2.copyMakeBorder(image, 0, -height % 16, 0, -width % 16, cv2.BORDER_CONSTANT)
    scale = max((5000 / quality if quality < 50 else 200 - 2 * quality) / 100, 1e-3)
    light, *color = cv2.split(cv2.transform(padded, tables.TO_YCC))
    full = [_quantise(light - 128, tables.LUMINANCE * np.float32(scale)) + 128]
    for plane in color:
        half = cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        half = _quantise(half, tables.CHROMINANCE * np.float32(scale))
        full.append(cv2.resize(half, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))
    return np.clip(cv2.transform(cv2.merge(full), tables.FROM_YCC), 0, 255)[:height, :width]


def _quantise(plane: np.ndarray, transposed: np.ndarray) -> np.ndarray:
    """Returns a plane (h, w), its 8 x 8 DCT coefficients rounded to steps of a table, transposed.

    Rows first, then columns on the transposed plane, where the steps stand as they are.
    """
    height, width = plane.shape
    basis = tables.dct()
    found = cv2.transpose((basis @ plane.reshape(-1, 8, width)).reshape(height, width))
    found = basis @ found.reshape(-1, 8, height)
    table = np.tile(transposed.astype(np.float32), (1, height // 8))
    kept = np.rint(found / table) * table
    back = cv2.transpose((basis.T @ kept).reshape(width, height))
    return (basis.T @ back.reshape(-1, 8, width)).reshape(height, width)
