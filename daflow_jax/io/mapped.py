"""Arrays that stay in their file until they are looked at."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Region(NamedTuple):
    """Where an array lies: `offset` in bytes; `strides` in bytes, None if contiguous."""

    path: Path
    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None = None


class MappedArrays(Mapping[str, np.ndarray]):
    """Name -> read-only view of a file, made anew at each access.

    A view costs no memory of the process beyond the pages that are read, and these go with it: a
    checkpoint larger than the memory can be walked through.
    """

    def __init__(self, regions: Mapping[str, Region]):
        self.regions = dict(regions)

    def __getitem__(self, name: str) -> np.ndarray:
        region = self.regions[name]
        if 0 in region.shape:
            return np.zeros(region.shape, region.dtype)
        if region.strides is None:
            shape = region.shape or (1,)  # a memmap has at least one axis
            mapped = np.memmap(region.path, region.dtype, "r", region.offset, shape)
            return mapped.reshape(region.shape)
        last = sum((n - 1) * s for n, s in zip(region.shape, region.strides, strict=True))
        size = last // region.dtype.itemsize + 1
        flat = np.memmap(region.path, region.dtype, "r", region.offset, (size,))
        return np.lib.stride_tricks.as_strided(flat, region.shape, region.strides, writeable=False)

    def __contains__(self, name: object) -> bool:
        return name in self.regions

    def __iter__(self) -> Iterator[str]:
        return iter(self.regions)

    def __len__(self) -> int:
        return len(self.regions)
