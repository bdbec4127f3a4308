"""Checksums of arrays that no process holds whole: each sums up the parts that it holds."""

from collections.abc import Sequence

import jax
import numpy as np

from daflow_jax.sharding import processes

BLOCK = 2**22  # elements summed at once: bounds the memory for positions [choice]


def of(leaves: Sequence[jax.Array | np.ndarray]) -> list[int]:
    """Returns a number below 2^32 for every leaf, whatever its sharding; all processes call it.

    It is the sum over the elements of bits x (2 position + 1) modulo 2^32, where position counts in
    C order: the factors are odd, so that a change of one element always shows.
    """
    mine = [_held(leaf) for leaf in leaves]
    rows = processes.gather(mine)
    whole = [isinstance(x, jax.Array) and not x.is_fully_addressable for x in leaves]
    return [
        sum(row[i] for row in rows) % 2**32 if spread else mine[i] for i, spread in enumerate(whole)
    ]


def _held(leaf: jax.Array | np.ndarray) -> int:
    """Returns the sum over the first copies of parts that this process holds."""
    if not isinstance(leaf, jax.Array):
        return _sum(np.asarray(leaf), np.zeros(np.ndim(leaf), int), np.shape(leaf))
    total = 0
    for shard in leaf.addressable_shards:
        if shard.replica_id == 0:
            corner = [part.indices(n)[0] for part, n in zip(shard.index, leaf.shape, strict=True)]
            total += _sum(np.asarray(shard.data), np.array(corner, int), leaf.shape)
    return total % 2**32


def _sum(part: np.ndarray, corner: np.ndarray, shape: tuple[int, ...]) -> int:
    """Returns the sum over a part whose first element stands at `corner` of an array of `shape`."""
    if part.size > BLOCK and len(part) > 1:
        half = len(part) // 2
        after = corner + np.array([half] + [0] * (part.ndim - 1))
        return _sum(part[:half], corner, shape) + _sum(part[half:], after, shape)
    strides = np.append(np.cumprod(shape[:0:-1])[::-1], 1)[: part.ndim].astype(int)
    position = np.zeros(part.shape, np.uint32)
    for axis, (first, size) in enumerate(zip(corner, part.shape, strict=True)):
        steps = ((first + np.arange(size)) * strides[axis]).astype(np.uint32)
        position += steps.reshape((-1,) + (1,) * (part.ndim - 1 - axis))
    return int(np.sum(_bits(part) * (2 * position + 1), dtype=np.uint32))


def _bits(part: np.ndarray) -> np.ndarray:
    if part.dtype.itemsize > 4:
        raise ValueError(f"{part.dtype} arrays have no checksum: states hold up to 32 bits")
    kind = {1: np.uint8, 2: np.uint16, 4: np.uint32}[part.dtype.itemsize]
    return np.ascontiguousarray(part).view(kind).reshape(part.shape).astype(np.uint32)
