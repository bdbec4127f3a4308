"""A reader of PyTorch checkpoints that can only make tensors, whatever the pickle asks for.

Both containers are read: zip (torch >= 1.6) and the legacy stream of pickles. Nothing that the
pickle names is imported (see `tensor_pickle`). The values stay in the file until they are used.
"""

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.convert import tensor_pickle
from daflow_jax.convert.tensor_pickle import Storage, Tensor
from daflow_jax.io.mapped import MappedArrays

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_NEWEST_ZIP = 10  # of PyTorch's own reader
_WRAPPERS = ("state_dict", "model", "params_ema", "params")  # averaged weights before the others


class _Content:
    """What the pickle describes, where each storage starts (bytes), and the byte order."""

    def __init__(self, big_endian: bool = False):
        self.tree: Any = None
        self.big_endian = big_endian
        self.starts: dict[str, int] = {}
        self.storages: dict[str, Storage] = {}


def _read_zip(path: Path) -> _Content:
    with zipfile.ZipFile(path) as archive, open(path, "rb") as stream:
        _check_members(archive, path.stat().st_size)
        root = next((n for n in archive.namelist() if n.endswith("data.pkl")), None)
        if root is None:
            raise pickle.UnpicklingError("the archive has no data.pkl")
        root = root[: -len("data.pkl")]
        content = _Content(_check_format(archive, root))

        def check(storage: Storage) -> None:
            name = f"{root}data/{storage.key}"
            if name not in archive.NameToInfo:
                raise pickle.UnpicklingError(f"storage {storage.key} is missing")
            entry = archive.getinfo(name)
            if entry.file_size < storage.size * storage.dtype.itemsize:
                raise pickle.UnpicklingError(f"storage {storage.key} is too short")
            content.starts[storage.key] = _start(stream, entry)

        content.tree = tensor_pickle.loads(archive.read(f"{root}data.pkl"), check)
        return content


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Refuses packed, overlapping and damaged members; the checksums cost one reading."""
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise pickle.UnpicklingError("its values are compressed, which PyTorch never does")
    if sum(entry.file_size for entry in archive.infolist()) > size:
        raise pickle.UnpicklingError("its members overlap")
    broken = archive.testzip()
    if broken:
        raise pickle.UnpicklingError(f"the checksum of {broken} is wrong")


def _start(stream: io.BufferedReader, entry: zipfile.ZipInfo) -> int:
    """Returns where the bytes of a stored member start."""
    stream.seek(entry.header_offset + 26)
    name, extra = struct.unpack("<HH", stream.read(4))
    return entry.header_offset + 30 + name + extra


def _check_format(archive: zipfile.ZipFile, root: str) -> bool:
    """Returns whether values are big-endian; raises for a container newer than what is known."""
    names = set(archive.namelist())
    if f"{root}version" in names:
        version = archive.read(f"{root}version").decode("ascii", "replace").strip()
        if not version.isdecimal() or int(version[:9]) > _NEWEST_ZIP:
            raise pickle.UnpicklingError(f"it has format version {version[:20]}, which is unknown")
    return f"{root}byteorder" in names and archive.read(f"{root}byteorder") == b"big"


def _read_legacy(path: Path) -> _Content:
    content, end = _Content(), path.stat().st_size

    def check(storage: Storage) -> None:
        known = content.storages.setdefault(storage.key, storage)
        if known != storage:
            raise pickle.UnpicklingError(f"storage {storage.key} is described twice, differently")

    with open(path, "rb") as stream:
        magic, version, system = (tensor_pickle.load(stream, end, check) for _ in range(3))
        if magic != _LEGACY_MAGIC:
            raise pickle.UnpicklingError("the legacy magic number is missing")
        little = isinstance(system, dict) and system.get("little_endian", True)
        if version != _LEGACY_VERSION or not little:
            raise pickle.UnpicklingError(f"it has format version {version}, which is unknown")
        content.tree = tensor_pickle.load(stream, end, check)
        for key in tensor_pickle.load(stream, end, check):
            (count,) = struct.unpack("<q", stream.read(8))
            storage = content.storages[str(key)]
            if count != storage.size:
                rule = f"storage {key} has {count} values, not {storage.size}"
                raise pickle.UnpicklingError(rule)
            content.starts[storage.key] = stream.tell()
            if stream.seek(count * storage.dtype.itemsize, io.SEEK_CUR) > end:
                raise pickle.UnpicklingError(f"the file ends inside storage {key}")
    return content


def read(path: str | Path) -> MappedArrays:
    """Returns name -> array of a .pth file, unwrapped from {"state_dict": ...} if it is wrapped.

    A file that holds one tensor and no names gives it as "". Raises UserError for a truncated file,
    or one whose pickle asks for anything but tensors.
    """
    path = Path(path)
    try:
        content = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
    except FileNotFoundError:
        raise errors.UserError(path, "not found", "Check the path") from None
    except Exception as error:  # a broken pickle may raise anything; none of it has run code
        why = str(error) or "it breaks off"
        raise errors.UserError(
            path, f"not a readable PyTorch checkpoint ({why})", "Fetch the file again"
        ) from error
    return MappedArrays(_regions(path, content))


def _regions(path: Path, content: _Content) -> dict:
    tree = content.tree
    for wrapper in _WRAPPERS:
        if isinstance(tree, dict) and isinstance(tree.get(wrapper), dict):
            tree = tree[wrapper]
    if type(tree) is Tensor:
        tree = {"": tree}
    if not isinstance(tree, dict) or not any(type(value) is Tensor for value in tree.values()):
        raise errors.UserError(path, "holds no tensors by name", "Convert a state dict")
    regions = {}
    for name, tensor in tree.items():
        if type(tensor) is not Tensor:
            continue
        if type(name) is not str:
            rule = f"names a tensor {name!r:.60}, which is not text"
            raise errors.UserError(path, rule, "Convert a state dict")
        if tensor.storage.key not in content.starts:
            rule = f"has no values for storage {tensor.storage.key} of {name!r:.60}"
            raise errors.UserError(path, rule, "Fetch the file again")
        region = tensor.region(path, content.starts[tensor.storage.key])
        regions[name] = region._replace(
            dtype=region.dtype.newbyteorder(">" if content.big_endian else "<")
        )
    return regions
