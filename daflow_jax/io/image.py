"""Pictures to and from RGB arrays."""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import (
    atomic,
    exr_file,
    limits,
    netpbm,
    orientation,
    quiet,
    tiff_header,
)
from daflow_jax.io.picture_header import Header
from daflow_jax.io.picture_kind import count, header
from daflow_jax.io.regular_file import read_bytes

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
    ".exr",
)
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1")
_REMEDY = "Copy or download it again"

__all__ = [
    "EXTENSIONS", "count", "decode", "decode_all", "decode_rgb", "encode", "header", "is_image",
    "read_bytes", "read_image", "read_mask", "write_image",
]  # fmt: skip


def decode(data: bytes, where: object) -> np.ndarray:
    """Returns `data` decoded as stored: (h, w) or (h, w, c) in OpenCV's BGR order, not turned.

    `where` names the source in the `UserError` raised for unreadable, damaged or truncated data,
    and for data that holds more than one picture.
    """
    return _decode(data, where, header(data, where))


def _decode(data: bytes, where: object, head: Header | None) -> np.ndarray:
    if netpbm.is_netpbm(data):
        return netpbm.decode(data, where)
    if data.startswith(exr_file.MAGIC):
        return exr_file.decode_picture(data, where)[..., ::-1]
    if head and head.pictures > 1:
        rule = f"holds {head.pictures} pictures where one is needed"
        raise UserError(where, rule, "Name the file itself as a clip, or split it")
    pixels, damage = quiet.call(lambda: _imdecode(_as_stored(data, where)))
    return _checked(pixels, damage, data, where, head)


def decode_all(data: bytes, where: object) -> Iterator[np.ndarray]:
    """Yields the pictures of an animation or of a file with pages as RGB, turned upright.

    Pages are decoded one by one, an animation at once: `limits` holds for all its frames together.
    """
    head = header(data, where)
    if head is None or head.pictures == 1:
        yield decode_rgb(data, where)
        return
    turn = head.orientation if orientation.is_applied(None) else 1
    several = _pages if data.startswith(tiff_header.MAGICS) else _frames
    for pixels in several(data, where, head):
        yield np.ascontiguousarray(orientation.apply(_rgb(pixels, where), turn))


def _frames(data: bytes, where: object, head: Header) -> Iterator[np.ndarray]:
    limits.check_size(where, head.width, head.height, head.pictures)
    found, damage = quiet.call(lambda: _imdecode_all(data))
    _checked(found[0] if found else None, damage, data, where, head)
    yield from found


def _pages(data: bytes, where: object, head: Header) -> Iterator[np.ndarray]:
    tiff = tiff_header.parse(data, where)
    stored = tiff_header.upright(data, tiff)
    for index, page in enumerate(tiff.pages):
        if page.is_picture:
            found, damage = quiet.call(lambda index=index: _imdecode_all(stored, index))
            yield _checked(found[0] if found else None, damage, data, where, head)


def _checked(
    pixels: np.ndarray | None, damage: str, data: bytes, where: object, head: Header | None
) -> np.ndarray:
    """Returns the pixels; raises what is wrong with data that has none, or only damaged ones."""
    if damage:
        raise UserError(where, f"damaged image ({damage})", _REMEDY)
    if pixels is not None:
        return pixels
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC:
        raise UserError(where, "HEIC pictures are not read", "Convert it to .png or .jpg")
    if head:
        raise UserError(where, "damaged or truncated image", _REMEDY)
    known = " ".join(EXTENSIONS)
    raise UserError(where, "not a readable image", f"Convert it to one of {known}")


def _as_stored(data: bytes, where: object) -> bytes:
    """Returns data that OpenCV decodes without turning it, as it does for TIFF alone."""
    if not data.startswith(tiff_header.MAGICS):
        return data
    tiff = tiff_header.parse(data, where)
    return tiff_header.upright(data, tiff) if tiff.orientation != 1 else data


def _imdecode(data: bytes) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def _imdecode_all(data: bytes, page: int | None = None) -> list[np.ndarray]:
    """Returns all pictures, or one page; only pages of TIFF can be decoded on their own."""
    raw, how = np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED
    try:
        if page is None:
            done, found = cv2.imdecodemulti(raw, how)
        else:
            done, found = cv2.imdecodemulti(raw, how, range=(page, page + 1))
        return list(found) if done else []
    except cv2.error:
        return []


def read_image(path: str | Path, upright: bool | None = None) -> np.ndarray:
    """Returns the picture as RGB (h, w, 3), uint8 or uint16 as stored.

    Grey is repeated to three channels, alpha is dropped. The picture is turned as a viewer shows it
    (Exif, AVIF's rotation). OpenEXR is read as uint16 with the curve of sRGB.

    Args:
        upright: turn it; None: unless `orientation.keep_stored` was called.
    """
    return decode_rgb(read_bytes(path), path, upright)


def decode_rgb(data: bytes, where: object, upright: bool | None = None) -> np.ndarray:
    """Returns the bytes of a picture as RGB (h, w, 3), as `read_image` does."""
    head = header(data, where)
    pixels = _rgb(_decode(data, where, head), where)
    if head and orientation.is_applied(upright):
        pixels = orientation.apply(pixels, head.orientation)
    return np.ascontiguousarray(pixels)


def _rgb(pixels: np.ndarray, where: object) -> np.ndarray:
    if pixels.dtype not in (np.uint8, np.uint16):
        rule = f"{pixels.dtype} pixels; images hold 8 or 16 bits"
        raise UserError(where, rule, "Convert it to a 16-bit .png")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return pixels[..., 2::-1] if pixels.shape[-1] >= 3 else np.repeat(pixels[..., :1], 3, -1)


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
    (done, data), _ = quiet.call(lambda: _imencode(extension, ordered, options))
    if not done and extension in EXTENSIONS:
        rule = f"cannot hold {pixels.shape[1]}x{pixels.shape[0]} pixels"
        raise UserError(extension, rule, "Use .png")
    if not done:
        raise UserError(extension or "no extension", "not a known image format", "Use .png")
    return data.tobytes()


def _imencode(extension: str, pixels: np.ndarray, options: list[int]) -> tuple[bool, np.ndarray]:
    try:
        done, data = cv2.imencode(extension, np.ascontiguousarray(pixels), options)
        return done, np.asarray(data)
    except cv2.error:
        return False, np.empty(0, np.uint8)


def write_image(path: str | Path, pixels: np.ndarray, quality: int | None = None) -> None:
    """Writes RGB or grey uint8 or uint16 pixels; the extension of `path` names the format."""
    atomic.write_bytes(path, encode(pixels, os.path.splitext(path)[1], quality))


def is_image(path: str | Path) -> bool:
    """Returns whether the name of `path` ends like a picture that can be read."""
    return os.path.splitext(path)[1].lower() in EXTENSIONS
