"""Reading and writing .safetensors without holding more than one array."""

import hashlib
import json
import math
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import ml_dtypes
import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import atomic, json_file
from daflow_jax.io.mapped import MappedArrays, Region
from daflow_jax.io.storage import Place

DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_BLOCK = 16 * 2**20  # bytes written at once

Layout = Mapping[str, tuple[np.dtype, tuple[int, ...]]]  # name -> dtype, shape


def read(path: str | Path) -> MappedArrays:
    """Returns the arrays of a file, mapped: none is read yet.

    Raises UserError for a missing, truncated or damaged file and for a dtype that NumPy and
    ml_dtypes lack.
    """
    import safetensors

    path = Path(path)
    if not path.is_file():
        rule = "is not a file" if path.exists() else "not found"
        raise UserError(path, rule, "Check the path")
    try:
        with safetensors.safe_open(path, "np"):  # checks the header, offsets and the file's length
            pass
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise UserError(path, f"is damaged ({why})", "Copy the file again") from None
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json_file.loads(file.read(length), path, "Copy the file again")
    header.pop("__metadata__", None)
    regions = {}
    for name, entry in header.items():
        if entry["dtype"] not in DTYPES:
            rule = f"{name} has dtype {entry['dtype']}, which is not read"
            raise UserError(path, rule, "Save it as float32, float16 or bfloat16")
        begin = 8 + length + entry["data_offsets"][0]
        regions[name] = Region(path, begin, DTYPES[entry["dtype"]], tuple(entry["shape"]))
    return MappedArrays(regions)


def write(path: str | Place, layout: Layout, arrays: Iterable[tuple[str, np.ndarray]]) -> str:
    """Returns the sha256 of the file written, whole or not at all.

    Args:
        layout: every name with its dtype and shape, in the order of the file.
        arrays: (name, array) in the same order; each is cast to its dtype and written by blocks
            of rows, so that a transposed view is never copied whole.
    """
    digest = hashlib.sha256()
    with atomic.replacing(path) as part, open(part, "wb", opener=atomic.no_link) as file:

        def put(data: bytes) -> None:
            file.write(data)
            digest.update(data)

        put(_header(layout))
        for (name, (dtype, shape)), (given, array) in zip(layout.items(), arrays, strict=True):
            if name != given or tuple(array.shape) != shape:
                raise ValueError(f"{given} {array.shape} comes where {name} {shape} is due")
            _put_rows(put, array, dtype)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _header(layout: Layout) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "daflow"}}
    end = 0
    for name, (dtype, shape) in layout.items():
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        entries[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _put_rows(put, array, dtype):
    rows = array.reshape(1) if array.ndim == 0 else array
    if not len(rows):
        return
    count = max(1, _BLOCK * len(rows) // max(1, rows.size * dtype.itemsize))
    for start in range(0, len(rows), count):
        put(np.ascontiguousarray(rows[start : start + count], dtype).tobytes())
