"""The records of a built set that lies in a bucket: read by number, one request each.

No file is copied. Opening a file costs one request for its end, where the places of its records
stand; a set opens its files when they are first needed.
"""

import bisect
import functools
import itertools
from collections.abc import Sequence
from typing import Any

from daflow_jax.errors import UserError
from daflow_jax.io import array_record, storage
from daflow_jax.io.storage import Place, faults


class FarRecords(Sequence):
    """Random access to a split of a TFDS builder whose files are in a store; item i is the record
    as `as_data_source` would give it.
    """

    def __init__(self, builder: Any, split: Any):
        from tensorflow_datasets.core.data_sources import base

        self._features = builder.info.features
        self._parts = base.file_instructions(builder.info, split)
        self._ends = list(itertools.accumulate(part.take for part in self._parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> dict[str, Any]:
        number = bisect.bisect_right(self._ends, index)
        part = self._parts[number]
        before = self._ends[number] - part.take
        file = _opened(str(part.filename))
        place = part.skip + index - before
        if place >= len(file):
            rule = f"holds {len(file)} records, dataset_info.json says more"
            raise UserError(part.filename, rule, "Build the set again")
        return self._features.deserialize_example_np(file[place])


@functools.lru_cache(maxsize=4096)
def _opened(name: str) -> array_record.Records:
    path = storage.place(name)
    with faults.explained(path):
        try:
            size = storage.size(path)
        except FileNotFoundError:
            raise UserError(path, "not found", "Copy or build the set again") from None

        return array_record.Records(name, size, functools.partial(_range, path))


def _range(path: Place, start: int, end: int) -> bytes:
    with faults.explained(path):
        return storage.read_range(path, start, end)
