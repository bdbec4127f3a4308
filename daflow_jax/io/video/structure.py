"""Whether a file ends before the end that its own structure declares."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_SEGMENT = b"\x18\x53\x80\x67"  # Matroska's element that holds everything
_SPARE_BOXES = (b"mfra", b"free", b"skip", b"udta", b"uuid")
_MOST_BOXES = 1_000_000


def is_cut(path: str | Path, demuxer: str) -> bool:
    """Returns whether bytes are missing at the end; False where the format does not say."""
    check = _CHECKS.get(demuxer)
    if check is None:
        return False
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        return check(file, size)


def _matroska(file: BinaryIO, size: int) -> bool:
    head = file.read(4096)
    at = head.find(_SEGMENT) + len(_SEGMENT)
    if at < len(_SEGMENT) or at >= len(head) or not head[at]:
        return False
    length = 9 - head[at].bit_length()  # leading zeros of the first byte say how many follow
    raw = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    unknown = raw == (1 << 7 * length) - 1  # a live stream
    return not unknown and at + length + raw > size


def _boxes(file: BinaryIO, size: int) -> bool:
    """MP4 and MOV: walks over the boxes of the first level."""
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if len(head) < 8 or length < 8:  # the end, or a last box that reaches to it
            return 0 < len(head) < 8
        at += length
        if at > size:
            return head[4:8] not in _SPARE_BOXES
    return False


def _riff(file: BinaryIO, size: int) -> bool:
    """AVI: the first RIFF chunk; later ones belong to files over a gigabyte."""
    head = file.read(8)
    return head[:4] == b"RIFF" and 8 + int.from_bytes(head[4:], "little") > size


def _gif(file: BinaryIO, size: int) -> bool:
    """GIF: walks over the blocks; the last one is a trailer."""
    head = file.read(13)
    file.seek(_palette(head[10:11]), os.SEEK_CUR)
    while kind := file.read(1):
        if kind == b"\x3b":
            return False
        if kind == b"\x2c":
            head = file.read(9)
            file.seek(_palette(head[8:9]) + 1, os.SEEK_CUR)
        elif kind == b"\x21":
            file.seek(1, os.SEEK_CUR)
        else:
            return True
        while (length := file.read(1)) and length != b"\0":
            file.seek(length[0], os.SEEK_CUR)
    return True


def _transport(file: BinaryIO, size: int) -> bool:
    """MPEG-TS: packets of one length, each with a sync byte."""
    head = file.read(4 * 204)
    for length in (188, 192, 204):
        at = length - 188 if length == 192 else 0
        if head[at::length][:4].count(0x47) == len(head[at::length][:4]):
            return size % length != 0
    return False


def _palette(flags: bytes) -> int:
    """Returns the bytes of the colour table that a byte of flags announces."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


_CHECKS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "matroska": _matroska,
    "mov": _boxes,
    "avi": _riff,
    "gif": _gif,
    "mpegts": _transport,
}
