"""Reading model folders: config.json, weights, checked against each other; nothing is run."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from daflow_jax import errors
from daflow_jax.io import safetensors_file
from daflow_jax.io.storage import Place
from daflow_jax.models import calls
from daflow_jax.pretrained import int8
from daflow_jax.pretrained import meta as description
from daflow_jax.pretrained.meta import FORMAT, NEEDS
from daflow_jax.pretrained.meta import read as read_meta
from daflow_jax.pretrained.names import CONFIG, WEIGHTS

__all__ = [
    "FORMAT", "LoadedModel", "digest", "flatten", "load", "read_meta", "shapes", "weight_files",
    "weight_names",
]  # fmt: skip

SHARD = "model-{:05d}-of-{:05d}.safetensors"


class LoadedModel(NamedTuple):
    """config: the network's configuration. variables: nested dict of numpy arrays, {"params": ...,
    maybe "batch_stats": ...}, mapped from the file: `jax.device_put(variables, shardings)` reads
    each shard straight from there. meta: all of config.json (name, defaults, sha256, ...)."""

    config: Any
    variables: dict[str, Any]
    meta: dict[str, Any]


def weight_names(count: int) -> list[str]:
    """Returns the names of `count` files of weights."""
    return [WEIGHTS] if count == 1 else [SHARD.format(i + 1, count) for i in range(count)]


def weight_files(path: Place, meta: dict[str, Any]) -> list[Place]:
    """Returns the files that hold the weights, in order."""
    return [path / name for name in weight_names(meta.get("shards", 1))]


def load(path: str | Path) -> LoadedModel:
    """Returns the model in a folder, every array checked against its configuration.

    Raises UserError for a missing, damaged or foreign file and for arrays that do not fit.
    """
    from flax import traverse_util

    path = Path(path)
    meta = read_meta(path)
    config = description.config(path / CONFIG, meta)
    description.check_digest(path / CONFIG, meta)
    files = [path / name for name in weight_names(meta.get("shards", 1))]
    _check_digest(files, meta)
    flat = {name: array for file in files for name, array in safetensors_file.read(file).items()}
    flat = int8.restored(flat)
    _check(files[0], flat, _expected(path / CONFIG, config))
    description.say_uncovered(path / CONFIG, meta)
    return LoadedModel(config, traverse_util.unflatten_dict(flat, sep="/"), meta)


def _check_digest(files, meta):
    for file in files:
        if not file.is_file():
            raise errors.UserError(file, f"not found; {NEEDS}", "Copy the folder again")
    if "sha256" in meta and digest(files) != meta["sha256"]:
        where = files[0] if len(files) == 1 else files[0].parent
        rule = f"is not what {CONFIG} names (sha256 differs)"
        raise errors.UserError(where, rule, "Copy the folder again")


def digest(files: Iterable[Place]) -> str:
    """Returns the sha256 of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def shapes(config: Any) -> dict[str, tuple[int, ...]]:
    """Returns flat name -> shape of a configuration's variables, computing nothing."""
    return {name: tuple(x.shape) for name, x in flatten(calls.abstract_variables(config)).items()}


def _expected(file: Path, config: Any) -> dict[str, tuple[int, ...]]:
    """Returns `shapes`; a configuration that no network can have is a `UserError`."""
    try:
        return shapes(config)
    except Exception as error:  # sizes that do not go together fail anywhere inside the network
        why = str(error).strip().partition("\n")[0][:120]
        rule = f"describes a network that cannot be built ({type(error).__name__}: {why})"
        raise errors.UserError(file, rule, "Copy the folder again") from error


def _check(file, flat, expected):
    missing, extra = sorted(set(expected) - set(flat)), sorted(set(flat) - set(expected))
    misshapen = [
        f"{name} {flat[name].shape} instead of {expected[name]}"
        for name in sorted(set(expected) & set(flat))
        if flat[name].shape != expected[name]
    ]
    if not (missing or extra or misshapen):
        _check_dtypes(file, flat)
        return
    groups = (("missing", missing), ("extra", extra), ("mis-shaped", misshapen))
    rule = "; ".join(f"{len(g)} {word} ({', '.join(g[:5])})" for word, g in groups if g)
    raise errors.UserError(
        file, rule, f"The weights are of another configuration than {CONFIG}; save them together"
    )


def _check_dtypes(file: Path, flat: dict[str, np.ndarray]) -> None:
    """Checks that all weights are numbers with a fraction, as every network here has them."""
    known = (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)
    for name, array in flat.items():
        if array.dtype not in known:
            rule = f"{name} holds {array.dtype}; weights are float32, float16 or bfloat16"
            raise errors.UserError(file, rule, "Save the model again")


def flatten(tree: Any) -> dict[str, Any]:
    """Returns {"params/fnet/conv1/kernel": leaf} of nested dicts."""
    from flax import traverse_util

    return traverse_util.flatten_dict(tree, sep="/")
