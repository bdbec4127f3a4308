"""An unpickler that makes descriptions of tensors and nothing else.

Classes and functions that a pickle names are never imported: each is looked up in a short table,
and any other name ends the reading. What the table gives out cannot be changed afterwards: a
pickle can replace attributes (BUILD), so a description that was checked has none to replace.
"""

import io
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from daflow_jax.io.mapped import Region

DTYPES = {
    "FloatStorage": np.dtype(np.float32),
    "DoubleStorage": np.dtype(np.float64),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "ByteStorage": np.dtype(np.uint8),
    "CharStorage": np.dtype(np.int8),
    "BoolStorage": np.dtype(np.bool_),
}
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
_LARGEST = 2**62  # bytes; sums of checked numbers stay exact and far below what mmap takes


def _unchangeable(*_: object) -> None:
    raise pickle.UnpicklingError("it changes an object after its making, which is not a tensor")


class Storage(NamedTuple):
    """Flat values: `size` numbers of `dtype`, `key` names them in the container."""

    key: str
    dtype: np.dtype
    size: int

    __setstate__ = _unchangeable


class Tensor(NamedTuple):
    """A view of a storage, checked: it lies inside, and strides (in values) are not negative."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    __setstate__ = _unchangeable

    def region(self, path: Path, start: int) -> Region:
        """Returns where the values are, given where the storage starts in the file (bytes)."""
        size = self.storage.dtype.itemsize
        strides = tuple(size * stride for stride in self.strides)
        offset = start + size * self.offset
        return Region(path, offset, self.storage.dtype, self.shape, strides)


class _Kind(NamedTuple):
    """The class of a storage, by name."""

    name: str

    __setstate__ = _unchangeable


class Table(dict):
    """An ordered dict of a checkpoint; attributes that it had (versions of modules) are dropped."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Forgets the attributes."""


class _Maker:
    """A function that a pickle may call; unlike a plain function it has no attributes to set."""

    __slots__ = ()
    __setstate__ = _unchangeable


class _MakeTable(_Maker):
    __slots__ = ()

    def __call__(self, *arguments: Any) -> Table:
        return Table(*arguments)


class _MakeTensor(_Maker):
    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
        numbers = [offset, *shape, *strides]
        sound = type(storage) is Storage and type(shape) is tuple and type(strides) is tuple
        if not sound or any(type(n) is not int or not 0 <= n < _LARGEST for n in numbers):
            raise pickle.UnpicklingError("a tensor is described by something that is not a storage")
        if len(shape) != len(strides):
            raise pickle.UnpicklingError(f"a tensor has shape {shape} and strides {strides}")
        count, last = 1, offset
        for length, stride in zip(shape, strides, strict=True):
            count, last = count * length, last + (length - 1) * stride
        if count and last >= storage.size:
            raise pickle.UnpicklingError("a tensor reaches beyond its storage")
        if count > storage.size:
            raise pickle.UnpicklingError(f"a tensor repeats {storage.size} values to {count}")
        return Tensor(storage, offset, shape, strides)


class _MakeParameter(_Maker):
    __slots__ = ()

    def __call__(self, data: Any, *_: Any) -> Any:
        return data


_ALLOWED: dict[tuple[str, str], _Maker] = {
    ("collections", "OrderedDict"): _MakeTable(),
    ("torch._utils", "_rebuild_tensor_v2"): _MakeTensor(),
    ("torch._utils", "_rebuild_tensor"): _MakeTensor(),
    ("torch._utils", "_rebuild_parameter"): _MakeParameter(),
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: Any, check: Callable[[Storage], None]):
        super().__init__(stream, encoding="latin1")
        self._check = check

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module in ("torch", "torch.storage") and name in DTYPES:
            return _Kind(name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not a tensor")

    def persistent_load(self, pid: Any) -> Storage:
        if type(pid) is not tuple or len(pid) < 5:
            raise pickle.UnpicklingError("it holds a reference that is not a plain storage")
        word, kind, key, _, size, *rest = pid
        plain = word == "storage" and type(kind) is _Kind and type(key) in (str, int)
        if not plain or any(value is not None for value in rest):
            raise pickle.UnpicklingError("it holds a reference that is not a plain storage")
        if type(size) is not int or not 0 <= size < _LARGEST:
            raise pickle.UnpicklingError(f"storage {key} has {size!r} values")
        storage = Storage(str(key), DTYPES[kind.name], size)
        self._check(storage)
        return storage


class _Bounded:
    """A stream that refuses to be asked for more than it has, before memory is set aside."""

    def __init__(self, stream: io.BufferedIOBase, end: int):
        self._stream, self._end = stream, end

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self._end - self._stream.tell():
            raise pickle.UnpicklingError(f"it announces {count} bytes, more than the file has")
        return self._stream.read(count)

    def readline(self) -> bytes:
        return self._stream.readline()


def load(stream: io.BufferedIOBase, end: int, check: Callable[[Storage], None]) -> Any:
    """Returns what the pickle at the stream's position describes; `Tensor` for tensors.

    Args:
        end: where the stream ends, in bytes.
        check: called with each storage as it is named; raises what is wrong with it.

    Raises UnpicklingError, or what a broken pickle makes Python raise; no code of it has run.
    """
    start, bounded = stream.tell(), _Bounded(stream, end)
    for number, (opcode, argument, _) in enumerate(pickletools.genops(bounded)):  # pyright: ignore
        if opcode.name in _PUTS and int(argument or 0) > number:
            raise pickle.UnpicklingError(f"it keeps object {argument} where {number} came before")
    stream.seek(start)
    return _Unpickler(bounded, check).load()


def loads(data: bytes, check: Callable[[Storage], None]) -> Any:
    """Returns what the pickle in `data` describes; see `load`."""
    return load(io.BytesIO(data), len(data), check)
