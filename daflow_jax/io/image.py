"""Pictures to and from RGB arrays."""

import os
from pathlib import Path

import cv2
import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import atomic

EXTENSIONS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".tif",
    ".tiff",
    ".bmp",
    ".ppm",
    ".pgm",
    ".avif",
    ".jp2",
)

_ENDINGS = {  # what a complete file of the kind ends with; OpenCV fills a missing rest with grey
    b"\x89PNG\r\n\x1a\n": b"IEND\xaeB`\x82",
    b"\xff\xd8\xff": b"\xff\xd9",
}


def read_bytes(path: str | Path) -> bytes:
    """Returns the content of `path`; a missing, empty or unreadable file is a `UserError`."""
    path = Path(path)
    if path.is_dir():
        raise UserError(path, "is a folder where a file is needed", "Name a file in it")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(path, "not found", "Check the name") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(path, f"cannot be read ({reason})", "Check its permissions") from error
    if not data:
        raise UserError(path, "empty file", "Copy or download it again")
    return data


def decode(data: bytes, where: object) -> np.ndarray:
    """Returns `data` decoded as stored: uint8 or uint16, (h, w) or (h, w, c) in OpenCV's BGR order.

    `where` names the source in the `UserError` raised for unreadable or truncated data.
    """
    for magic, ending in _ENDINGS.items():
        if data.startswith(magic) and ending not in data[len(magic) :]:
            raise UserError(where, "truncated image", "Copy or download it again")
    pixels = _quiet_decode(data)
    if pixels is None:
        known = " ".join(EXTENSIONS)
        raise UserError(where, "not a readable image", f"Convert it to one of {known}")
    return pixels


def _quiet_decode(data: bytes) -> np.ndarray | None:
    previous = cv2.utils.logging.setLogLevel(
        0
    )  # its warnings on stderr would break the one-line rule
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(previous)


def read_image(path: str | Path) -> np.ndarray:
    """Returns the picture as RGB (h, w, 3), uint8 or uint16 as stored.

    Grey is repeated to three channels, alpha is dropped.
    """
    return decode_rgb(read_bytes(path), path)


def decode_rgb(data: bytes, where: object) -> np.ndarray:
    """Returns the bytes of a picture as RGB (h, w, 3), as `read_image` does."""
    pixels = decode(data, where)
    if pixels.dtype not in (np.uint8, np.uint16):
        rule = f"{pixels.dtype} pixels; images hold 8 or 16 bits"
        raise UserError(where, rule, "Convert it to a 16-bit .png")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    colour = pixels[..., 2::-1] if pixels.shape[-1] >= 3 else np.repeat(pixels[..., :1], 3, -1)
    return np.ascontiguousarray(colour)


def read_mask(path: str | Path) -> np.ndarray:
    """Returns bool (h, w), true where the picture is not 0 (any channel but alpha)."""
    return read_image(path).max(-1) > 0


def encode(pixels: np.ndarray, extension: str, quality: int | None = None) -> bytes:
    """Returns the picture as bytes of the kind that `extension` names.

    Args:
        pixels: uint8 or uint16, RGB (h, w, 3) or grey (h, w).
        extension: with its dot, e.g. ".png".
        quality: 1..100, JPEG and WebP only.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"image is {pixels.dtype}; files hold uint8 or uint16; scale and cast it")
    extension = extension.lower()
    if pixels.dtype == np.uint16 and extension not in (".png", ".tif", ".tiff"):
        raise UserError(extension, "cannot hold 16-bit pixels", "Use .png or .tiff")
    flags = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".jpeg": cv2.IMWRITE_JPEG_QUALITY,
             ".webp": cv2.IMWRITE_WEBP_QUALITY}  # fmt: skip
    options = [flags[extension], quality] if quality and extension in flags else []
    ordered = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    try:
        done, data = cv2.imencode(extension, np.ascontiguousarray(ordered), options)
    except cv2.error:
        done = False
    if not done:
        raise UserError(extension or "no extension", "not a known image format", "Use .png")
    return data.tobytes()


def write_image(path: str | Path, pixels: np.ndarray, quality: int | None = None) -> None:
    """Writes RGB or grey uint8 or uint16 pixels; the extension of `path` names the format."""
    atomic.write_bytes(path, encode(pixels, os.path.splitext(path)[1], quality))


def is_image(path: str | Path) -> bool:
    """Returns whether the name of `path` ends like a picture that can be read."""
    return os.path.splitext(path)[1].lower() in EXTENSIONS
