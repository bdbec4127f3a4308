"""Writing model folders: weights in their own dtype, then the card, config.json last."""

import itertools
import json
import math
from collections.abc import Iterable
from typing import Any

import ml_dtypes
import numpy as np

from daflow_jax import models
from daflow_jax.io import atomic, safetensors_file, storage
from daflow_jax.io.storage import Place
from daflow_jax.pretrained import int8
from daflow_jax.pretrained import meta as description
from daflow_jax.pretrained.meta import FORMAT
from daflow_jax.pretrained.names import CARD, CONFIG
from daflow_jax.pretrained.read import digest, flatten, weight_names

DTYPES = {  # that weights are stored in
    "float32": np.dtype(np.float32),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float16": np.dtype(np.float16),
}
_USE = {  # how a model of a kind is used, for its card
    "flow": "daflow flow A B --model PATH",
    "restoration": "daflow restore CLIP --model PATH",
    "interpolation": "daflow_jax.load(PATH)(frames, times)",
    "features": "daflow_jax.load(PATH)(frames)",
    "segmentation": "daflow segment CLIP --segmenter PATH",
    "tracks": "daflow_jax.load(PATH).track(points, frame)",
}


def save(
    path: str | Place,
    config: Any,
    variables: Any,
    *,
    name: str,
    defaults: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    card: str | None = None,
) -> Place:
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
    path: str | Place,
    config: Any,
    layout: safetensors_file.Layout,
    arrays: Iterable[tuple[str, np.ndarray]],
    *,
    name: str,
    defaults: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    card: str | None = None,
    shard_bytes: int | None = None,
) -> Place:
    """Returns the folder written from arrays that come one by one; see `save`.

    Args:
        layout: flat name ("params/fnet/conv1/kernel") -> dtype and shape.
        arrays: (flat name, array) in the order of `layout`.
        shard_bytes: start another file before one would grow beyond this (a larger array has a
            file of its own); None writes one file.
    """
    path = storage.place(path)
    made = not path.exists()
    shards = _shards(layout, shard_bytes)
    files = weight_names(len(shards))
    try:
        stream = iter(arrays)
        for file, shard in zip(files, shards, strict=True):
            safetensors_file.write(path / file, shard, itertools.islice(stream, len(shard)))
    except BaseException:
        if made and path.is_dir():
            storage.remove_tree(path)  # nothing half written
        raise
    names = (name for name in layout if name.startswith("params/") and not int8.is_scale(name))
    learned = (layout[name][1] for name in names)
    meta = {
        "format": FORMAT,
        "name": name,
        "arch": models.to_dict(config),
        "input": {"range": [0, 1], "multiple": config.multiple, "min_size": config.minimum},
        "defaults": defaults or {},
        "training": training or {},
        "parameters": sum(math.prod(shape) for shape in learned),
        **({"shards": len(shards)} if len(shards) > 1 else {}),
        "sha256": digest([path / file for file in files]),
    }
    meta = json.loads(json.dumps(meta))  # as it will be read: lists for tuples
    meta["config_sha256"] = description.digest(meta)
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


def _short_card(meta):
    family = meta["arch"]["family"]
    use = _USE[models.ENTRIES[family].kind]
    return (
        f"# {meta['name']}\n\nModel of daflow_jax: {family}, "
        f"{meta['parameters']:,} parameters.\n\nUse: `{use}`.\n"
    )
