"""What the header of a picture says: size, orientation, number of pictures. Nothing is decoded.

The structure of the file is walked as far as it is cheap, so that a truncated or damaged file is
named as such: libraries fill a missing rest with grey.
"""

import mmap
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from daflow_jax.errors import UserError
from daflow_jax.io import orientation

_REMEDY = "Copy or download it again"


class Header(NamedTuple):
    """width, height: in pixels as stored, 0 if unknown. orientation: 1 to 8. pictures: 1, or the
    number of an animation's. packed, unpacked: bytes of pixels where the format tells both."""

    width: int
    height: int
    orientation: int = 1
    pictures: int = 1
    packed: int = 0
    unpacked: int = 0


def truncated(where: object) -> UserError:
    """Returns the error of a file that ends too early."""
    return UserError(where, "truncated image", _REMEDY)


def png(data: bytes, where: object) -> Header:
    """Reads all chunks; a critical one with a wrong checksum is damage."""
    at, packed, exif, pictures = 8, 0, b"", 1
    size: tuple[int, ...] = (0, 0, 8, 2)
    while True:
        if at + 12 > len(data):
            raise truncated(where)
        length, name = struct.unpack_from(">I4s", data, at)
        body = memoryview(data)[at + 8 : at + 8 + length]
        if at + 12 + length > len(data):
            raise truncated(where)
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        if name[:1].isupper() and zlib.crc32(body, zlib.crc32(name)) != checksum:
            rule = f"damaged image: the checksum of {name.decode('ascii', 'replace')} is wrong"
            raise UserError(where, rule, _REMEDY)
        if name == b"IHDR" and length >= 13:
            size = struct.unpack_from(">IIBB", body)
        elif name == b"IDAT":
            packed += length
        elif name == b"eXIf":
            exif = bytes(body)
        elif name == b"acTL" and length >= 4:
            pictures = max(1, struct.unpack_from(">I", body)[0])
        elif name == b"IEND":
            break
        at += 12 + length
    width, height, depth, colour = size
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 4)
    unpacked = height * (width * bits // 8)
    return Header(width, height, orientation.of_exif(exif), pictures, packed, unpacked)


def apng_frames(data: bytes | mmap.mmap) -> int:
    """Returns the number of frames of a PNG, looking no further than its first pixels."""
    at = 8
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"acTL" and at + 12 <= len(data):
            return max(1, struct.unpack_from(">I", data, at + 8)[0])
        if name == b"IDAT":
            break
        at += 12 + length
    return 1


_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # start of frame, with the size
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length


def jpeg(data: bytes, where: object) -> Header:
    """Reads the segments before the pixels; the pixels have to be followed by an end marker."""
    at, width, height, turn = 2, 0, 0, 1
    while True:
        while data[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        if at + 4 > len(data):
            raise truncated(where)
        if data[at] != 0xFF:
            raise UserError(where, "damaged image: a marker is missing", _REMEDY)
        marker = data[at + 1]
        if marker in _ALONE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if marker in _FRAMES and len(body) >= 5:
            height, width = struct.unpack_from(">HH", body, 1)
        elif marker == 0xE1 and body.startswith(b"Exif\0\0") and turn == 1:
            turn = orientation.of_exif(body)
        at += 2 + length
        if marker == 0xDA:
            break
        if marker == 0xD9:
            raise truncated(where)
    if data.find(b"\xff\xd9", at) < 0:
        raise truncated(where)
    return Header(width, height, turn)


def webp(data: bytes, where: object) -> Header:
    """Reads the chunks of the RIFF container."""
    (total,) = struct.unpack_from("<I", data, 4)
    if total + 8 > len(data):
        raise truncated(where)
    at, width, height, turn, pictures = 12, 0, 0, 1, 0
    while at + 8 <= total + 8:
        name, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        if name == b"VP8X" and len(body) >= 10:
            width = 1 + int.from_bytes(body[4:7], "little")
            height = 1 + int.from_bytes(body[7:10], "little")
        elif name == b"VP8 " and not width and len(body) >= 10:
            width, height = (n & 0x3FFF for n in struct.unpack_from("<HH", body, 6))
        elif name == b"VP8L" and not width and len(body) >= 5:
            bits = int.from_bytes(body[1:5], "little")
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        elif name == b"EXIF":
            turn = orientation.of_exif(body)
        elif name == b"ANMF":
            pictures += 1
        at += 8 + length + length % 2
    return Header(width, height, turn, max(1, pictures))


def bmp(data: bytes, where: object) -> Header:
    """Reads the two headers; uncompressed pixels have to be there whole."""
    if len(data) < 54:
        raise truncated(where)
    start, width, height, _, bits, packing = struct.unpack_from("<I4xiiHHI", data, 10)
    rows = abs(height)
    if packing == 0 and start + rows * ((width * bits + 31) // 32 * 4) > len(data):
        raise truncated(where)
    return Header(max(width, 0), rows)


_CONTAINERS = (b"meta", b"iprp", b"ipco", b"jp2h", b"moov", b"trak", b"mdia", b"minf", b"stbl")


def _boxes(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Yields name and content of the boxes of an ISO file, those inside of containers as well."""
    while start + 8 <= end:
        length, name = struct.unpack_from(">I4s", data, start)
        head = 8
        if length == 1 and start + 16 <= end:
            head, (length,) = 16, struct.unpack_from(">Q", data, start + 8)
        stop = end if length == 0 else start + length
        if length and length < head:
            return
        yield name, data[start + head : min(stop, end)] if name not in _CONTAINERS else b""
        if name in _CONTAINERS and depth < 8:
            skip = 4 if name == b"meta" else 0
            yield from _boxes(data, start + head + skip, min(stop, end), depth + 1)
        if stop > end and depth == 0:
            yield b"cut!", b""
        start = stop


def iso(data: bytes, where: object) -> Header:
    """Reads AVIF and JPEG 2000: the largest size, rotation and mirror, frames of a sequence."""
    sizes, turns, mirror, exif, pictures = [(0, 0)], 0, None, b"", 1
    for name, body in _boxes(data, 0, len(data)):
        if name == b"cut!":
            raise truncated(where)
        if name == b"ispe" and len(body) >= 12:
            sizes.append(struct.unpack_from(">II", body, 4))
        elif name == b"ihdr" and len(body) >= 8:
            height, width = struct.unpack_from(">II", body)
            sizes.append((width, height))
        elif name == b"irot" and body:
            turns = body[0] & 3
        elif name == b"imir" and body:
            mirror = body[0] & 1
        elif name == b"stsz" and len(body) >= 12:
            pictures = max(pictures, struct.unpack_from(">I", body, 8)[0])
        elif name == b"mdat" and b"Exif\0\0" in body:
            exif = body[body.index(b"Exif\0\0") :]
    turn = orientation.of_turns(turns, mirror)
    if turn == 1 and exif:
        turn = orientation.of_exif(exif)
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Header(width, height, turn, pictures)
