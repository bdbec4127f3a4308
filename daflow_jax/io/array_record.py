"""Records of an array_record file by number, through any function that reads a range of bytes.

The package `array_record` reads files of this machine only. Here a record of a file in a bucket
costs one request. The format is Riegeli's (riegeli_records_file_format.md), as ArrayRecord uses it:

    a block header (24 bytes) stands wherever 65536 divides the position, also inside chunks
    a chunk: header of 40 bytes (hash, data size, data hash, type and records, decoded size), data
    data of a simple chunk: compression ("z" = Zstandard, 0 = none), size of the sizes, the sizes,
        the records one after the other
    the last block: a chunk whose first record says where the footer is
    the footer: a chunk with one record about the file, then one for each chunk: where it starts

Only files of one record a chunk (group_size:1, as TFDS writes them) are read.
"""

import struct
from collections.abc import Callable

from daflow_jax.errors import UserError

Read = Callable[[int, int], bytes]  # (start, end) -> the bytes between

BLOCK, _BLOCK_HEADER, _CHUNK_HEADER = 2**16, 24, 40
_TAIL = 4 * BLOCK  # [choice] bytes of the first request: the footer of 10 000 records fits
_MOST = 2**31  # of a chunk, in bytes
_AGAIN = "Copy or build the file again"


class Records:
    """Random access to the records of one file.

    Args:
        name: of the file, for messages. size: bytes. read: see `Read`; must allow threads.

    Raises UserError for a file that is cut off, damaged, or of another kind.
    """

    def __init__(self, name: str, size: int, read: Read):
        self._name, self._read = name, read
        if size < 2 * BLOCK or size % BLOCK:
            raise self._damaged(f"{size} bytes, no whole number of blocks")
        start = max(0, size - _TAIL)
        tail = read(start, size)
        if len(tail) != size - start:
            raise self._damaged("it is shorter than it was")
        footer = self._footer_place(tail[-BLOCK:], size)
        near = tail[footer - start : -BLOCK] if footer >= start else read(footer, size - BLOCK)
        entries = [_fields(entry) for entry in self._chunk(near, footer)]
        self._starts = [entry.get(1, 0) for entry in entries[1:]] + [footer]
        counts = {entry.get(3, 0) for entry in entries[1:]}
        if counts - {1}:
            raise UserError(name, "holds several records a chunk", "Write it with group_size:1")
        if self._starts != sorted(self._starts):
            raise self._damaged("its footer is out of order")

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, index: int) -> bytes:
        """Returns a record; one request."""
        start, end = self._starts[index], self._starts[index + 1]
        records = self._chunk(self._read(start, end), start)
        if len(records) != 1:
            raise self._damaged(f"record {index} is not there")
        return records[0]

    def _footer_place(self, block: bytes, size: int) -> int:
        found = self._chunk(block, size - BLOCK)
        place = _fields(found[0]).get(1, -1) if found else -1
        if not 0 <= place < size:
            raise self._damaged("its last block names no footer")
        return place

    def _chunk(self, data: bytes, start: int) -> list[bytes]:
        """Returns the records of the chunk that starts at `start` of the file with `data`."""
        try:
            return _records(_without_headers(data, start))
        except (ValueError, LookupError, struct.error) as error:
            raise self._damaged(str(error) or "it ends early") from error

    def _damaged(self, why: str) -> UserError:
        return UserError(self._name, f"is no sound array_record file ({why})", _AGAIN)


def _without_headers(data: bytes, start: int) -> bytes:
    """Returns the bytes of a chunk, those of block headers left out."""
    parts, place = [], 0
    while place < len(data):
        here = (start + place) % BLOCK
        if here < _BLOCK_HEADER:
            place += _BLOCK_HEADER - here
            continue
        parts.append(data[place : place + BLOCK - here])
        place += BLOCK - here
    return b"".join(parts)


def _records(chunk: bytes) -> list[bytes]:
    _, size, _, kind, decoded = struct.unpack("<5Q", chunk[:_CHUNK_HEADER])
    count, kind = kind >> 8, kind & 255
    data = chunk[_CHUNK_HEADER : _CHUNK_HEADER + size]
    if kind != ord("r"):
        raise ValueError(f"a chunk of kind {kind}")
    if len(data) != size or decoded > _MOST:
        raise ValueError("a chunk is cut off")
    compression = data[0]
    length, place = _varint(data, 1)
    sizes = _unpacked(data[place : place + length], compression)
    values = _unpacked(data[place + length :], compression)
    out, at, end = [], 0, 0
    for _ in range(count):
        step, at = _varint(sizes, at)
        out.append(values[end : end + step])
        end += step
    if end != len(values) or end != decoded:
        raise ValueError("the sizes of records do not add up")
    return out


def _unpacked(data: bytes, compression: int) -> bytes:
    if compression == 0:
        return data
    if compression != ord("z"):
        raise ValueError(f"compression {chr(compression)!r}, which is not read")
    size, place = _varint(data, 0)
    if size > _MOST:
        raise ValueError(f"{size} bytes in a chunk")
    if not size:
        return b""
    import zstandard

    try:
        out = zstandard.ZstdDecompressor().decompress(data[place:], max_output_size=size)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if len(out) != size:
        raise ValueError("a chunk has another size than it says")
    return out


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Returns a number of 7 bits a byte, the lowest first, and the place after it."""
    value = shift = 0
    while shift < 70:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("a number has no end")


def _fields(message: bytes) -> dict[int, int]:
    """Returns the fields of a protocol buffer that are numbers; others are passed over."""
    found, place = {}, 0
    while place < len(message):
        key, place = _varint(message, place)
        if key & 7 == 0:
            found[key >> 3], place = _varint(message, place)
        elif key & 7 == 2:
            length, place = _varint(message, place)
            place += length
        else:
            place += {1: 8, 5: 4}[key & 7]
    return found
