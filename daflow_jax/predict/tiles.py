"""Frames too large for the device, cut into overlapping tiles whose flows are blended."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

OVERLAP = 128  # [choice] pixels; motion that leaves tile and overlap is lost

Window = tuple[slice, slice]


def overlap(tile: int) -> int:
    """Returns how many pixels neighbouring tiles of this length share at least: at most half."""
    return min(OVERLAP, tile // 2)


def corners(length: int, tile: int, step: int) -> list[int]:
    """Returns where tiles start along one axis, in multiples of `step` pixels, as `tile` and
    `length` are."""
    if length <= tile:
        return [0]
    shared = overlap(tile)
    count = -(-(length - shared) // (tile - shared))
    apart = (length - tile) / (count - 1)
    return [round(i * apart / step) * step for i in range(count - 1)] + [length - tile]


def windows(size: tuple[int, int], tile: tuple[int, int], step: int) -> Iterator[Window]:
    """Yields the rows and columns of every tile."""
    tile = (min(tile[0], size[0]), min(tile[1], size[1]))
    tops, lefts = (corners(size[axis], tile[axis], step) for axis in (0, 1))
    for y, x in itertools.product(tops, lefts):
        yield slice(y, y + tile[0]), slice(x, x + tile[1])


def ramp(tile: tuple[int, int]) -> np.ndarray:
    """Returns (h, w, 1) weights that fall linearly towards the tile's border, never to zero."""
    sides = []
    for length in tile:
        distance = np.minimum(np.arange(length), np.arange(length)[::-1]) + 1
        sides.append(np.minimum(distance / max(overlap(length) / 2, 1), 1.0))
    return (sides[0][:, None] * sides[1][None, :])[..., None].astype(np.float32)


def blended(
    size: tuple[int, int],
    tile: tuple[int, int],
    step: int,
    run: Callable[[slice, slice], Any],
) -> np.ndarray:
    """Returns maps (..., h, w, c) of frames of `size`, from `run(rows, columns)` on every tile."""
    total, weight = np.zeros(0, np.float32), np.zeros((*size, 1), np.float32)
    for rows, columns in windows(size, tile, step):
        part = np.asarray(run(rows, columns))
        if not total.size:
            total = np.zeros((*part.shape[:-3], *size, part.shape[-1]), np.float32)
        soft = ramp(part.shape[-3:-1])
        total[..., rows, columns, :] += part * soft
        weight[rows, columns] += soft
    return np.divide(total, weight, out=total)
