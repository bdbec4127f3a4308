"""Published checkpoints, whatever they are stored in, as one table of mapped arrays."""

from pathlib import Path

import numpy as np

from daflow_jax import errors
from daflow_jax.convert import torch_file
from daflow_jax.io import json_file, safetensors_file
from daflow_jax.io.mapped import MappedArrays, Region

_INDEX = ".safetensors.index.json"
_WRAPPERS = ("module.", "_orig_mod.")  # DataParallel, torch.compile


def read(path: str | Path) -> MappedArrays:
    """Returns name -> mapped array; nothing is read yet.

    `path` is a .safetensors file, a PyTorch file, an index of shards (*.safetensors.index.json), or
    a folder that holds one of them. Prefixes that a wrapper put before all names are removed.
    Raises UserError for what is missing, damaged, or not only tensors.
    """
    path = Path(path)
    if path.is_dir():
        path = _only_file(path)
    if path.name.endswith(_INDEX):
        state = _shards(path)
    elif path.suffix == ".safetensors":
        state = safetensors_file.read(path)
    elif path.suffix == ".npy":
        state = _npy(path)
    else:
        state = torch_file.read(path)
    if not state:
        raise errors.UserError(path, "holds no arrays", "Fetch the file again")
    return _unwrapped(state)


def read_one(path: str | Path) -> Region:
    """Returns where the only array of a file lies; UserError if it holds several."""
    state = read(path)
    if len(state) != 1:
        raise errors.UserError(path, f"holds {len(state)} arrays", "Give a file with one")
    return next(iter(state.regions.values()))


def _only_file(folder: Path) -> Path:
    for pattern in (f"*{_INDEX}", "*.safetensors", "*.pth", "*.pt", "*.bin"):
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            names = ", ".join(p.name for p in found[:5])
            raise errors.UserError(folder, f"holds several checkpoints ({names})", "Name one")
        if found:
            return found[0]
    raise errors.UserError(folder, "holds no checkpoint", "Give a .safetensors or .pth file")


def _shards(index: Path) -> MappedArrays:
    where = json_file.read_object(index, "Fetch the file again").texts("weight_map")
    files = {}
    for name in sorted(set(where.values())):
        if name != Path(name).name or name in ("", ".", ".."):
            rule = f"names the shard {name!r:.60}; shards lie beside their index"
            raise errors.UserError(index, rule, "Fetch the file again")
        file = index.parent / name
        if not file.is_file():
            raise errors.UserError(file, f"not found; {index.name} names it", "Fetch this shard")
        files[name] = safetensors_file.read(file)
    absent = [name for name, file in where.items() if name not in files[file]]
    unnamed = [name for file in files.values() for name in file if name not in where]
    if absent or unnamed:
        rule = f"its shards lack {absent[:5]} and hold {unnamed[:5]} besides"
        raise errors.UserError(index, rule, "Index and shards belong to different checkpoints")
    return MappedArrays({name: files[file].regions[name] for name, file in where.items()})


def _npy(path: Path) -> MappedArrays:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise errors.UserError(path, "not found", "Check the path") from None
    except Exception as error:  # its header is Python text, and a broken one may raise anything
        raise errors.UserError(path, f"is not an array ({error})", "Save it with np.save") from None
    if not isinstance(array, np.memmap):
        raise errors.UserError(path, "holds several arrays", "Save one with np.save")
    if array.dtype.kind not in "fiubV" or (array.dtype.kind == "V" and array.dtype.names):
        rule = f"holds {array.dtype}, which are not numbers"
        raise errors.UserError(path, rule, "Save it as float32")
    return MappedArrays({"": Region(path, array.offset, array.dtype, array.shape, array.strides)})


def _unwrapped(state: MappedArrays) -> MappedArrays:
    for prefix in _WRAPPERS:
        if state and all(name.startswith(prefix) for name in state):
            state = MappedArrays({n.removeprefix(prefix): r for n, r in state.regions.items()})
    return state
