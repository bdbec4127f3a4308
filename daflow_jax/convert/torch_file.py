"""A reader of PyTorch checkpoints that can only make tensors, whatever the pickle asks for.

Both containers are read: zip (torch >= 1.6) and the legacy stream of pickles. Classes and functions
named by the pickle are never imported: each is looked up in the short table below, and any other
name ends the reading with an error that says which. The values stay in the file until they are
used.
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
from daflow_jax.io.mapped import MappedArrays, Region

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_NEWEST_ZIP = 10  # of PyTorch's own reader
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
    """Flat values somewhere in the file; the legacy container says where after the pickle."""

    def __init__(self, dtype: np.dtype, size: int, offset: int | None = None):
        self.dtype, self.size, self.offset = np.dtype(dtype), size, offset


class _Tensor:
    """A view of a storage."""

    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def region(self, path: Path) -> Region:
        """Returns where the values are; raises UnpicklingError if that is not in the storage."""
        storage = self.storage
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if storage.offset is None or (0 not in self.shape and not 0 <= last < storage.size):
            raise pickle.UnpicklingError("a tensor reaches beyond its storage")
        size = storage.dtype.itemsize
        strides = tuple(size * s for s in self.strides)
        return Region(path, storage.offset + size * self.offset, storage.dtype, self.shape, strides)


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
    with zipfile.ZipFile(path) as archive, open(path, "rb") as stream:
        broken = archive.testzip()  # reads everything once: a flipped bit shows in the checksum
        if broken:
            raise pickle.UnpicklingError(f"the checksum of {broken} is wrong")
        root = next(n for n in archive.namelist() if n.endswith("data.pkl"))[: -len("data.pkl")]
        order = _check_format(archive, root)

        def storage(key, dtype, size):
            entry = archive.getinfo(f"{root}data/{key}")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise pickle.UnpicklingError("its values are compressed, which PyTorch never does")
            if entry.file_size < size * dtype.itemsize:
                raise pickle.UnpicklingError(f"storage {key} is shorter than the pickle says")
            stream.seek(entry.header_offset + 26)
            name, extra = struct.unpack("<HH", stream.read(4))
            offset = entry.header_offset + 30 + name + extra
            return _Storage(dtype.newbyteorder(order), size, offset)

        return _Unpickler(io.BytesIO(archive.read(f"{root}data.pkl")), storage).load()


def _check_format(archive, root) -> str:
    """Returns the byte order, "<" or ">"; raises for a container newer than what is known."""
    names = set(archive.namelist())
    if f"{root}version" in names:
        version = archive.read(f"{root}version").decode("ascii", "replace").strip()
        if not version.isdigit() or int(version) > _NEWEST_ZIP:
            raise pickle.UnpicklingError(f"it has format version {version}, which is unknown")
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder") == b"big":
        return ">"
    return "<"


def _read_legacy(path):
    loaded: dict[str, _Storage] = {}

    def storage(key, dtype, size):
        return loaded.setdefault(key, _Storage(dtype, size))

    with open(path, "rb") as stream:
        magic, version, system = (_Unpickler(stream, storage).load() for _ in range(3))
        if magic != _LEGACY_MAGIC:
            raise pickle.UnpicklingError("the legacy magic number is missing")
        if version != _LEGACY_VERSION or not system.get("little_endian", True):
            raise pickle.UnpicklingError(f"it has format version {version}, which is unknown")
        tree = _Unpickler(stream, storage).load()
        keys = _Unpickler(stream, storage).load()
        end = path.stat().st_size
        for key in keys:
            (count,) = struct.unpack("<q", stream.read(8))
            item = loaded[str(key)]
            if count != item.size:
                raise pickle.UnpicklingError(f"storage {key} has {count} values, not {item.size}")
            item.offset = stream.tell()
            if stream.seek(count * item.dtype.itemsize, io.SEEK_CUR) > end:
                raise pickle.UnpicklingError(f"the file ends inside storage {key}")
    return tree


def read(path: str | Path) -> MappedArrays:
    """Returns name -> array of a .pth file, unwrapped from {"state_dict": ...} if it is wrapped.

    A file that holds one tensor and no names gives it as "". Raises UserError for a truncated file,
    or one whose pickle asks for anything but tensors.
    """
    path = Path(path)
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
    if isinstance(tree, _Tensor):
        tree = {"": tree}
    if not isinstance(tree, dict) or not any(isinstance(v, _Tensor) for v in tree.values()):
        raise errors.UserError(path, "holds no tensors by name", "Convert a state dict")
    try:
        return MappedArrays({k: v.region(path) for k, v in tree.items() if isinstance(v, _Tensor)})
    except pickle.UnpicklingError as error:
        raise errors.UserError(path, str(error), "Fetch the file again") from error
