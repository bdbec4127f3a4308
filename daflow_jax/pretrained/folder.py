"""Model folders: config.json, model.safetensors, README.md; found by name, nothing is run."""

import hashlib
import itertools
import json
import math
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from daflow_jax import errors, models
from daflow_jax.io import atomic, safetensors_file

FORMAT = 1
DTYPES = {  # that weights are stored in
    "float32": np.dtype(np.float32),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float16": np.dtype(np.float16),
}
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
_SHARD = "model-{:05d}-of-{:05d}.safetensors"
ASSETS = Path(__file__).parents[1] / "assets"
_FILES = f"a model folder needs {CONFIG} and {WEIGHTS}"


class LoadedModel(NamedTuple):
    """config: the network's configuration. variables: nested dict of numpy arrays, {"params": ...,
    maybe "batch_stats": ...}, mapped from the file: `jax.device_put(variables, shardings)` reads
    each shard straight from there. meta: all of config.json (name, defaults, sha256, ...)."""

    config: Any
    variables: dict[str, Any]
    meta: dict[str, Any]


def cache_root() -> Path:
    """Returns the folder for compiled programs and models: DAFLOW_CACHE or the user's cache."""
    if os.environ.get("DAFLOW_CACHE"):
        return Path(os.environ["DAFLOW_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "daflow"


def roots() -> list[Path]:
    """Returns the folders that hold models by name, the first match wins: shipped, own, cache."""
    own = [Path(p) for p in os.environ.get("DAFLOW_MODELS", "").split(os.pathsep) if p]
    shipped = [] if os.environ.get("DAFLOW_NO_SHIPPED_MODELS") == "1" else [ASSETS]
    return [*shipped, *own, cache_root() / "models"]


def available() -> list[str]:
    """Returns the names of the models that `resolve` finds without a path."""
    found = (path.parent.name for root in roots() for path in root.glob(f"*/{CONFIG}"))
    return sorted(set(found))


def resolve(name: str | Path) -> Path:
    """Returns the folder of a model given by path (folder or its .safetensors file) or by name."""
    path = Path(name)
    if path.suffix == ".safetensors" and path.is_file():
        return path.parent
    if path.is_dir() and ((path / CONFIG).is_file() or not _named(path)):
        return path
    for root in roots():
        if (root / path / CONFIG).is_file():
            return root / path
    if str(name) in models.PRESETS:
        raise errors.UserError(
            name,
            "has no weights on this machine",
            "Train it or convert published ones: daflow convert weights FILE DIR; "
            f"models here: {', '.join(available()) or 'none'}",
        )
    known = {*available(), *models.PRESETS}
    raise errors.UserError(
        name, "is no model folder and no known model", errors.nearest(str(name), known)
    )


def _named(path: Path) -> bool:
    """Returns True if a plain folder of this name must not hide a model of the same name."""
    return path.parent == Path(".") and any((root / path / CONFIG).is_file() for root in roots())


def save(
    path: str | Path,
    config: Any,
    variables: Any,
    *,
    name: str,
    defaults: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    card: str | None = None,
) -> Path:
    """Returns the folder written: weights in their own dtype, then the card, config.json last.

    Args:
        variables: {"params": ..., maybe "batch_stats": ...} of arrays.
        defaults: keyword arguments of inference, such as {"iters": 12}.
        training: a JSON-able record of how the weights came about.
        card: text of README.md; a short one is written without it.
    """
    flat = {key: np.asarray(value) for key, value in flatten(variables).items()}
    layout = {key: (value.dtype, value.shape) for key, value in flat.items()}
    record: dict[str, Any] = dict(name=name, defaults=defaults, training=training, card=card)
    return write(path, config, layout, flat.items(), **record)


def write(
    path: str | Path,
    config: Any,
    layout: safetensors_file.Layout,
    arrays: Iterable[tuple[str, np.ndarray]],
    *,
    name: str,
    defaults: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    card: str | None = None,
    shard_bytes: int | None = None,
) -> Path:
    """Returns the folder written from arrays that come one by one; see `save`.

    Args:
        layout: flat name ("params/fnet/conv1/kernel") -> dtype and shape.
        arrays: (flat name, array) in the order of `layout`.
        shard_bytes: start another file before one would grow beyond this (a larger array has a
            file of its own); None writes one file.
    """
    path = Path(path)
    made = not path.exists()
    shards = _shards(layout, shard_bytes)
    files = _weight_names(len(shards))
    try:
        stream = iter(arrays)
        for file, shard in zip(files, shards, strict=True):
            safetensors_file.write(path / file, shard, itertools.islice(stream, len(shard)))
    except BaseException:
        if made and path.is_dir():
            shutil.rmtree(path)  # nothing half written
        raise
    learned = (shape for key, (_, shape) in layout.items() if key.startswith("params/"))
    meta = {
        "format": FORMAT,
        "name": name,
        "arch": models.to_dict(config),
        "input": {"range": [0, 1], "multiple": config.multiple, "min_size": 128},
        "defaults": defaults or {},
        "training": training or {},
        "parameters": sum(math.prod(shape) for shape in learned),
        **({"shards": len(shards)} if len(shards) > 1 else {}),
        "sha256": _digest([path / file for file in files]),
    }
    atomic.write_text(path / CARD, card or _short_card(meta))
    atomic.write_text(path / CONFIG, json.dumps(meta, indent=2) + "\n")
    for stale in {file.name for file in path.glob("model*.safetensors")} - set(files):
        (path / stale).unlink()  # of a model that was here before
    return path


def _shards(layout: safetensors_file.Layout, limit: int | None) -> list[dict[str, Any]]:
    """Returns the layouts of the files, in order, none of them empty."""
    shards, size = [{}], 0
    for name, (dtype, shape) in layout.items():
        size += math.prod(shape) * dtype.itemsize
        if limit and size > limit and shards[-1]:
            shards.append({})
            size = math.prod(shape) * dtype.itemsize
        shards[-1][name] = dtype, shape
    return shards


def _weight_names(count: int) -> list[str]:
    return [WEIGHTS] if count == 1 else [_SHARD.format(i + 1, count) for i in range(count)]


def weight_files(path: Path, meta: dict[str, Any]) -> list[Path]:
    """Returns the files that hold the weights, in order."""
    return [path / name for name in _weight_names(meta.get("shards", 1))]


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
    if "sha256" in meta and _digest(files) != meta["sha256"]:
        where = files[0] if len(files) == 1 else files[0].parent
        rule = f"is not what {CONFIG} names (sha256 differs)"
        raise errors.UserError(where, rule, "Copy the folder again")


def _digest(files: Iterable[Path]) -> str:
    """Returns the sha256 of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def abstract_variables(config: Any) -> Any:
    """Returns the shapes of a configuration's variables, computing nothing."""
    import jax
    import jax.numpy as jnp

    module, key = models.build(config), jax.random.key(0)
    if config.family == "vae":
        return jax.eval_shape(module.init, key, jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32))
    frames = jax.ShapeDtypeStruct((1, 3, 128, 128, 3), jnp.float32)
    if config.family == "restorer":
        return jax.eval_shape(lambda x: module.init(key, x, key, method="features"), frames)
    rngs = {"params": key, "noise": key}
    return jax.eval_shape(lambda x: module.init(rngs, x, iters=1), frames)


def shapes(config: Any) -> dict[str, tuple[int, ...]]:
    """Returns flat name -> shape of a configuration's variables, computing nothing."""
    return {name: tuple(x.shape) for name, x in flatten(abstract_variables(config)).items()}


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


def _short_card(meta):
    use = "restore CLIP" if meta["arch"]["family"] == "restorer" else "flow A B"
    return (
        f"# {meta['name']}\n\nModel of daflow_jax: {meta['arch']['family']}, "
        f"{meta['parameters']:,} parameters.\n\nUse: `daflow {use} --model PATH`.\n"
    )
