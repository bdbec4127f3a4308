"""Frames too large for the device, cut into overlapping tiles whose flows are blended."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

OVERLAP = 128  # [choice] pixels; motion that leaves tile and overlap is lost


def corners(length: int, tile: int, overlap: int = OVERLAP) -> list[int]:
    """Returns where tiles start along one axis so that neighbours share at least `overlap`."""
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(i * (length - tile) / (count - 1) / 8) * 8 for i in range(count - 1)] + [
        length - tile
    ]


def windows(size: tuple[int, int], tile: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Yields the rows and columns of every tile."""
    tile = (min(tile[0], size[0]), min(tile[1], size[1]))
    for y, x in itertools.product(corners(size[0], tile[0]), corners(size[1], tile[1])):
        yield slice(y, y + tile[0]), slice(x, x + tile[1])


def ramp(tile: tuple[int, int], overlap: int = OVERLAP) -> np.ndarray:
    """Returns (h, w, 1) weights that fall linearly towards the tile's border, never to zero."""
    sides = []
    for length in tile:
        distance = np.minimum(np.arange(length), np.arange(length)[::-1]) + 1
        sides.append(np.minimum(distance / (overlap / 2), 1.0))
    return (sides[0][:, None] * sides[1][None, :])[..., None].astype(np.float32)


def blended(
    frames: np.ndarray,
    init_flow: np.ndarray | None,
    tile: tuple[int, int],
    run: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
) -> np.ndarray:
    """Returns flows (m, n, h, w, c) of frames (n+1, h, w, 3), from `run` on every tile.

    init_flow: (n, h/8, w/8, 2), the start of the whole frames, whose part each tile is given.
    """
    height, width = frames.shape[1:3]
    total, weight = np.zeros(0, np.float32), np.zeros((height, width, 1), np.float32)
    for rows, columns in windows((height, width), tile):
        start = None if init_flow is None else init_flow[:, _eighth(rows), _eighth(columns)]
        flows = run(np.ascontiguousarray(frames[:, rows, columns]), start)
        if not total.size:
            total = np.zeros((*flows.shape[:2], height, width, flows.shape[-1]), np.float32)
        soft = ramp(flows.shape[2:4])
        total[:, :, rows, columns] += flows * soft
        weight[rows, columns] += soft
    return total / weight


def _eighth(span: slice) -> slice:
    return slice(span.start // 8, -(-span.stop // 8))
