"""Arrays that stay in their file until they are looked at."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from daflow_jax.errors import UserError


class Region(NamedTuple):
    """Where an array lies: `offset` in bytes; `strides` in bytes, None if contiguous."""

    path: Path
    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None = None

    @property
    def end(self) -> int:
        """The first byte after the array, and after every value that its strides reach."""
        if 0 in self.shape:
            return self.offset
        strides = self.strides
        if strides is None:
            count = 1
            for length in self.shape:  # exact, where math.prod of numpy integers could wrap
                count *= int(length)
            return self.offset + count * self.dtype.itemsize
        last = sum((int(n) - 1) * int(s) for n, s in zip(self.shape, strides, strict=True))
        return self.offset + last + self.dtype.itemsize


class MappedArrays(Mapping[str, np.ndarray]):
    """Name -> read-only view of a file, made anew at each access.

    A view costs no memory of the process beyond the pages that are read, and these go with it: a
    checkpoint larger than the memory can be walked through. A region that is not inside its file
    is a `UserError` here, so that no view ever reaches beyond.
    """

    def __init__(self, regions: Mapping[str, Region]):
        self.regions = dict(regions)
        sizes: dict[Path, int] = {}
        for name, region in self.regions.items():
            if region.path not in sizes:
                sizes[region.path] = os.stat(region.path).st_size
            _check(name, region, sizes[region.path])

    def __getitem__(self, name: str) -> np.ndarray:
        region = self.regions[name]
        if 0 in region.shape:
            return np.zeros(region.shape, region.dtype)
        if region.strides is None:
            shape = region.shape or (1,)  # a memmap has at least one axis
            mapped = np.memmap(region.path, region.dtype, "r", region.offset, shape)
            return mapped.reshape(region.shape)
        size = (region.end - region.offset) // region.dtype.itemsize
        flat = np.memmap(region.path, region.dtype, "r", region.offset, (size,))
        return np.lib.stride_tricks.as_strided(flat, region.shape, region.strides, writeable=False)

    def __contains__(self, name: object) -> bool:
        return name in self.regions

    def __iter__(self) -> Iterator[str]:
        return iter(self.regions)

    def __len__(self) -> int:
        return len(self.regions)


def _check(name: str, region: Region, size: int) -> None:
    strides = region.strides if region.strides is not None else (0,) * len(region.shape)
    step = region.dtype.itemsize
    sound = (
        len(strides) == len(region.shape)
        and all(int(n) >= 0 for n in region.shape)
        and all(int(s) >= 0 and not int(s) % step for s in strides)
        and 0 <= region.offset <= region.end <= size
        and not region.dtype.hasobject
    )
    if not sound:
        rule = f"describes {name!r:.60} as values that are not inside the file"
        raise UserError(region.path, rule, "Copy or fetch it again")
