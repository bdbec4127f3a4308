"""Which kind of picture a file holds, by its first bytes, and what its header says."""

import mmap
import os
import struct
from pathlib import Path

from daflow_jax.errors import UserError
from daflow_jax.io import limits, picture_header, tiff_header
from daflow_jax.io.picture_header import Header

_PNG, _JPEG, _BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"
_J2K = b"\0\0\0\x0cjP  \r\n"
_MANY = (".png", ".webp", ".avif", ".tif", ".tiff")  # kinds that may hold several pictures
_DEFLATE = 1100  # most bytes that a packed byte may stand for; zlib reaches 1032


def header(data: bytes, where: object) -> Header | None:
    """Returns what the header of a picture says; None for a kind that is not known.

    A truncated or damaged file, and one that declares more than `limits` allow, is a `UserError`.
    """
    try:
        found = _header(data, where)
    except struct.error:
        raise picture_header.truncated(where) from None
    if found and found.width:
        limits.check_size(where, found.width, found.height)
        if found.unpacked > _DEFLATE * found.packed + 4096:
            raise picture_header.truncated(where)
    return found


def _header(data: bytes, where: object) -> Header | None:
    if data[:8] == _PNG:
        return picture_header.png(data, where)
    if data[:3] == _JPEG:
        return picture_header.jpeg(data, where)
    if _is_webp(data):
        return picture_header.webp(data, where)
    if data[:4] in tiff_header.MAGICS:
        tiff = tiff_header.parse(data, where)
        return Header(*tiff.size, tiff.orientation, tiff.pictures)
    if data[:2] == _BMP:
        return picture_header.bmp(data, where)
    if data[4:8] == b"ftyp" or data[: len(_J2K)] == _J2K:
        return picture_header.iso(data, where)
    return None


def _is_webp(data: bytes | mmap.mmap) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def count(path: str | Path) -> int:
    """Returns how many pictures a file holds, reading no more than headers; 1 if not known."""
    if os.path.splitext(path)[1].lower() not in _MANY or not os.path.isfile(path):
        return 1
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _count(data, path)
    except (OSError, ValueError, UserError, struct.error):  # whoever reads it says what is wrong
        return 1


def _count(data: mmap.mmap, path: object) -> int:
    if data[:8] == _PNG:
        return picture_header.apng_frames(data)
    if data[:4] in tiff_header.MAGICS:
        return tiff_header.parse(data, path).pictures
    animated_webp = _is_webp(data) and data[12:16] == b"VP8X" and data[20] & 2
    if animated_webp or data[4:12] == b"ftypavis":
        found = _header(data[:], path)
        return found.pictures if found else 1
    return 1
