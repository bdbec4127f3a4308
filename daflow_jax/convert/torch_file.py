"""A reader of PyTorch checkpoints that can only make tensors, whatever the pickle asks for.

Both containers are read: zip (torch >= 1.6) and the legacy stream of pickles. Classes and functions
named by the pickle are never imported: each is looked up in the short table below, and any other
name ends the reading with an error that says which.
"""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np

from daflow_jax import errors

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "ByteStorage": np.uint8,
    "CharStorage": np.int8,
    "BoolStorage": np.bool_,
}


class _Storage:
    """Flat values of one storage; the legacy container delivers them after the pickle."""

    def __init__(self, dtype: np.dtype, size: int, values: np.ndarray | None = None):
        self.dtype, self.size, self.values = np.dtype(dtype), size, values


class _Tensor:
    """A view of a storage, made into an array once the storage is filled."""

    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self) -> np.ndarray:
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides))
        empty = 0 in self.shape
        if self.storage.values is None or (not empty and not 0 <= last < self.storage.size):
            raise pickle.UnpicklingError("a tensor reaches beyond its storage")
        size = self.storage.dtype.itemsize
        view = np.lib.stride_tricks.as_strided(
            self.storage.values[self.offset :],
            self.shape,
            [s * size for s in self.strides],
            writeable=False,
        )
        return np.ascontiguousarray(view).reshape(self.shape)


def _rebuild_tensor(storage, offset, shape, strides, *_):
    whole = [offset, *shape, *strides]
    if not isinstance(storage, _Storage) or any(not isinstance(n, int) or n < 0 for n in whole):
        raise pickle.UnpicklingError("a tensor is described by something that is not a storage")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


_ALLOWED: dict[tuple[str, str], Callable] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream, storage: Callable):
        super().__init__(stream, encoding="latin1")
        self._storage = storage

    def find_class(self, module, name):
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module in ("torch", "torch.storage") and name in _DTYPES:
            return np.dtype(_DTYPES[name])
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not a tensor")

    def persistent_load(self, pid):
        kind, dtype, key, _, size, *rest = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or any(v is not None for v in rest):
            raise pickle.UnpicklingError("it holds a reference that is not a plain storage")
        return self._storage(str(key), dtype, int(size))


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        root = next(n for n in archive.namelist() if n.endswith("data.pkl"))[: -len("data.pkl")]
        loaded: dict[str, _Storage] = {}

        def storage(key, dtype, size):
            if key not in loaded:
                raw = archive.read(f"{root}data/{key}")
                loaded[key] = _Storage(dtype, size, np.frombuffer(raw, dtype, count=size))
            return loaded[key]

        return _Unpickler(io.BytesIO(archive.read(f"{root}data.pkl")), storage).load()


def _read_legacy(path):
    loaded: dict[str, _Storage] = {}

    def storage(key, dtype, size):
        return loaded.setdefault(key, _Storage(dtype, size))

    with open(path, "rb") as stream:
        magic, _, _ = (_Unpickler(stream, storage).load() for _ in range(3))
        if magic != _LEGACY_MAGIC:
            raise pickle.UnpicklingError("the legacy magic number is missing")
        tree = _Unpickler(stream, storage).load()
        for key in _Unpickler(stream, storage).load():
            (count,) = struct.unpack("<q", stream.read(8))
            item = loaded[str(key)]
            if count != item.size:
                raise pickle.UnpicklingError(f"storage {key} has {count} values, not {item.size}")
            raw = stream.read(count * item.dtype.itemsize)
            item.values = np.frombuffer(raw, item.dtype, count=count)
    return tree


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Returns name -> array of a .pth file, unwrapped from {"state_dict": ...} if it is wrapped.

    Raises UserError for a truncated file, or one whose pickle asks for anything but tensors.
    """
    try:
        tree = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
    except FileNotFoundError:
        raise errors.UserError(path, "not found", "Check the path") from None
    except Exception as error:  # a broken pickle may raise anything; none of it has run code
        raise errors.UserError(
            path, f"not a readable PyTorch checkpoint ({error})", "Fetch the file again"
        ) from error
    for wrapper in ("state_dict", "model", "params"):
        if isinstance(tree, dict) and isinstance(tree.get(wrapper), dict):
            tree = tree[wrapper]
    if not isinstance(tree, dict) or not any(isinstance(v, _Tensor) for v in tree.values()):
        raise errors.UserError(path, "holds no tensors by name", "Convert a state dict")
    try:
        arrays = {k: v.array() for k, v in tree.items() if isinstance(v, _Tensor)}
    except pickle.UnpicklingError as error:
        raise errors.UserError(path, str(error), "Fetch the file again") from error
    return arrays
