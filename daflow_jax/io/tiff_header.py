"""The directories of a TIFF: size, orientation, number of pages, and whether the pixels are there.

`upright` takes the orientation out: libraries apply it in TIFF alone, here it is applied once.
"""

import mmap
import struct
from typing import Any, NamedTuple

from daflow_jax.errors import UserError
from daflow_jax.io import orientation

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}
_LETTERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MOST_PAGES = 10_000
_SUBFILE, _WIDTH, _HEIGHT = 254, 256, 257
_PLACES = ((273, 279), (324, 325))  # offsets and byte counts of strips, of tiles


class Page(NamedTuple):
    """One directory: its tags' values, and where the value of the orientation lies (0: none)."""

    tags: dict[int, tuple[int, ...]]
    orientation_at: int

    def first(self, tag: int, default: int = 0) -> int:
        values = self.tags.get(tag, ())
        return values[0] if values else default

    @property
    def is_picture(self) -> bool:
        """Whether it is neither a thumbnail nor a mask of another page."""
        return not self.first(_SUBFILE) & 5

    @property
    def end(self) -> int:
        """The first byte after all pixels that the directory names."""
        found = [0]
        for offsets, counts in _PLACES:
            pairs = zip(self.tags.get(offsets, ()), self.tags.get(counts, ()), strict=False)
            found += [offset + count for offset, count in pairs]
        return max(found)


class Tiff(NamedTuple):
    """The pages of a file in order, and its byte order for `struct`."""

    pages: list[Page]
    order: str

    @property
    def pictures(self) -> int:
        """The number of pages that are pictures, at least 1."""
        return max(1, sum(page.is_picture for page in self.pages))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the largest page."""
        sizes = [(page.first(_WIDTH), page.first(_HEIGHT)) for page in self.pages]
        return max(sizes, key=lambda size: size[0] * size[1])

    @property
    def orientation(self) -> int:
        """The orientation of the first page."""
        return orientation.sound(self.pages[0].first(orientation.TAG, 1))


def parse(data: bytes | mmap.mmap, where: object) -> Tiff:
    """Returns the directories of a file; a damaged or truncated one is a `UserError`."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    pages: list[Page] = []
    seen: set[int] = set()
    try:
        (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        while at and len(pages) < _MOST_PAGES:
            if at in seen:
                raise UserError(where, "damaged image: its pages form a loop", "Copy it again")
            seen.add(at)
            page, at = _page(data, at, order, big)
            pages.append(page)
    except (struct.error, OverflowError):  # places beyond the file, or beyond any file
        raise UserError(where, "truncated image", "Copy or download it again") from None
    if not pages:
        raise UserError(where, "damaged image: it holds no page", "Copy or download it again")
    if max(page.end for page in pages) > len(data):
        raise UserError(where, "truncated image", "Copy or download it again")
    return Tiff(pages, order)


def _page(data: bytes | mmap.mmap, at: int, order: str, big: bool) -> tuple[Page, int]:
    head, step, inline = ("Q", 20, 8) if big else ("H", 12, 4)
    (count,) = struct.unpack_from(order + head, data, at)
    start = at + struct.calcsize("<" + head)
    tags: dict[int, tuple[int, ...]] = {}
    place = 0
    wanted = {_SUBFILE, _WIDTH, _HEIGHT, orientation.TAG, *(t for pair in _PLACES for t in pair)}
    for index in range(min(count, 4096)):
        entry = start + step * index
        tag, kind, length = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, entry)
        if tag not in wanted or kind not in _SIZES:
            continue
        value: Any = entry + (12 if big else 8)
        if _SIZES[kind] * length > inline:
            (value,) = struct.unpack_from(order + ("Q" if big else "I"), data, value)
        if value + _SIZES[kind] * length > len(data):
            raise struct.error
        tags[tag] = struct.unpack_from(f"{order}{length}{_LETTERS[kind]}", data, value)
        if tag == orientation.TAG and kind == 3:
            place = value
    (following,) = struct.unpack_from(order + ("Q" if big else "I"), data, start + step * count)
    return Page(tags, place), following


def upright(data: bytes, tiff: Tiff) -> bytes:
    """Returns the file with orientation 1 in every page: its pixels are read as they are stored."""
    changed = bytearray(data)
    for page in tiff.pages:
        if page.orientation_at:
            struct.pack_into(tiff.order + "H", changed, page.orientation_at, 1)
    return bytes(changed)
