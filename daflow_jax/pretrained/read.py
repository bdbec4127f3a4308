"""Reading model folders: config.json, weights, checked against each other; nothing is run."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from daflow_jax import errors, models
from daflow_jax.io import safetensors_file
from daflow_jax.models import calls
from daflow_jax.pretrained.names import CONFIG, WEIGHTS

FORMAT = 1
SHARD = "model-{:05d}-of-{:05d}.safetensors"
_FILES = f"a model folder needs {CONFIG} and {WEIGHTS}"


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


def weight_files(path: Path, meta: dict[str, Any]) -> list[Path]:
    """Returns the files that hold the weights, in order."""
    return [path / name for name in weight_names(meta.get("shards", 1))]


def load(path: str | Path) -> LoadedModel:
    """Returns the model in a folder, every array checked against its configuration.

    Raises UserError for a missing, damaged or foreign file and for arrays that do not fit.
    """
    from flax import traverse_util

    path = Path(path)
    meta = read_meta(path)
    config = _config(path, meta)
    files = weight_files(path, meta)
    _check_digest(files, meta)
    flat = {name: array for file in files for name, array in safetensors_file.read(file).items()}
    _check(files[0], flat, shapes(config))
    return LoadedModel(config, traverse_util.unflatten_dict(flat, sep="/"), meta)


def read_meta(path: Path) -> dict[str, Any]:
    """Returns config.json of a model folder."""
    file = path / CONFIG
    if not file.is_file():
        inner = sorted(p.parent for p in path.glob(f"*/{CONFIG}"))
        hint = f"Did you mean {inner[0]}? It has one" if inner else "Check the path"
        raise errors.UserError(file, f"not found; {_FILES}", hint)
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise errors.UserError(file, f"is not JSON ({error})", "Copy the folder again") from None
    if not isinstance(meta, dict) or "arch" not in meta or "format" not in meta:
        raise errors.UserError(file, "is not of a daflow model", f"Remember that {_FILES}")
    if meta["format"] != FORMAT:
        raise errors.UserError(
            file, f"format {meta['format']}; this version reads {FORMAT}", "Update daflow-jax"
        )
    return meta


def _config(path, meta):
    try:
        return models.from_dict(meta["arch"])
    except errors.UserError as error:
        raise errors.UserError(path / CONFIG, str(error).rstrip("."), "Update daflow-jax") from None


def _check_digest(files, meta):
    for file in files:
        if not file.is_file():
            raise errors.UserError(file, f"not found; {_FILES}", "Copy the folder again")
    if "sha256" in meta and digest(files) != meta["sha256"]:
        where = files[0] if len(files) == 1 else files[0].parent
        rule = f"is not what {CONFIG} names (sha256 differs)"
        raise errors.UserError(where, rule, "Copy the folder again")


def digest(files: Iterable[Path]) -> str:
    """Returns the sha256 of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def shapes(config: Any) -> dict[str, tuple[int, ...]]:
    """Returns flat name -> shape of a configuration's variables, computing nothing."""
    return {name: tuple(x.shape) for name, x in flatten(calls.abstract_variables(config)).items()}


def _check(file, flat, expected):
    missing, extra = sorted(set(expected) - set(flat)), sorted(set(flat) - set(expected))
    misshapen = [
        f"{name} {flat[name].shape} instead of {expected[name]}"
        for name in sorted(set(expected) & set(flat))
        if flat[name].shape != expected[name]
    ]
    if not (missing or extra or misshapen):
        return
    groups = (("missing", missing), ("extra", extra), ("mis-shaped", misshapen))
    rule = "; ".join(f"{len(g)} {word} ({', '.join(g[:5])})" for word, g in groups if g)
    raise errors.UserError(
        file, rule, f"The weights are of another configuration than {CONFIG}; save them together"
    )


def flatten(tree: Any) -> dict[str, Any]:
    """Returns {"params/fnet/conv1/kernel": leaf} of nested dicts."""
    from flax import traverse_util

    return traverse_util.flatten_dict(tree, sep="/")
