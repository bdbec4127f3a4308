"""Frames too large for the device, cut into overlapping tiles whose results are put together."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from daflow_jax import errors

TILES = (512, 256, 128)  # [choice] sides tried in this order when a frame does not fit
Size = tuple[int, int]


class Span(NamedTuple):
    """One axis of a tile, in pixels of the frame: what the network sees, and what is kept."""

    start: int
    stop: int
    kept_from: int
    kept_to: int


class Tile(NamedTuple):
    """A tile of a frame, or a frame as a whole."""

    rows: Span
    columns: Span

    @property
    def seen(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that the network sees."""
        return slice(*self.rows[:2]), slice(*self.columns[:2])

    def kept(self, scale: int) -> tuple[slice, slice]:
        """Returns which rows and columns of the tile's result are kept."""
        return _kept(self.rows, scale), _kept(self.columns, scale)

    def place(self, scale: int) -> tuple[slice, slice]:
        """Returns where they go in the frame's result."""
        spans = (self.rows, self.columns)
        rows, columns = (slice(scale * s.kept_from, scale * s.kept_to) for s in spans)
        return rows, columns


def _kept(span: Span, scale: int) -> slice:
    return slice(scale * (span.kept_from - span.start), scale * (span.kept_to - span.start))


def cut(size: Size, tile: Size | None, reach: int) -> list[Tile]:
    """Returns the tiles that cover a frame of (height, width); all have one size.

    Args:
        tile: (height, width) that the network sees; None is the whole frame.
        reach: pixels around a tile's kept part that the network sees besides, at least.
    """
    tile = tile or size
    axes = [list(_spans(length, side, reach)) for length, side in zip(size, tile, strict=True)]
    return [Tile(*spans) for spans in itertools.product(*axes)]


def _spans(length: int, side: int, reach: int) -> Iterator[Span]:
    side = min(side, length)
    count = 1 if side == length else -(-(length - 2 * reach) // (side - 2 * reach))
    starts = [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]
    middles = [(start + side + following) // 2 for start, following in itertools.pairwise(starts)]
    borders = [0, *middles, length]
    for start, (first, last) in zip(starts, itertools.pairwise(borders), strict=True):
        yield Span(start, start + side, first, last)


def smaller(size: Size, now: Size | None, reach: int) -> Size | None:
    """Returns the next smaller tile that cuts frames of `size`, None if there is none."""
    for side in TILES:
        if side >= 4 * reach and (now is None or side < max(now)) and side < max(size):
            return side, side
    return None


def check(tile: Size, reach: int) -> None:
    """Raises UserError for tiles that are not larger than what surrounds them."""
    least = 2 * reach + 16
    if min(tile) < least:
        rule = f"{tile[0]}x{tile[1]} is below {least}, as {reach} pixels on each side are not kept"
        raise errors.UserError("--tile", rule, "Use larger tiles")


class Canvas:
    """Puts the results of the tiles of a window together.

    Args:
        frames, size: how many results of (height, width) pixels it holds.
    """

    def __init__(self, frames: int, size: Size, dtype: np.dtype):
        self.pixels = np.empty((frames, *size, 3), dtype)

    def add(self, tile: Tile, result: np.ndarray, scale: int) -> None:
        """Adds the kept part of a tile's result (f, s h, s w, 3)."""
        self.pixels[:, *tile.place(scale)] = result[:, *tile.kept(scale)]
