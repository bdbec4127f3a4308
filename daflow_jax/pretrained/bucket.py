"""Model folders in a bucket: fetched whole, checked, kept in the cache of this machine."""

from pathlib import Path

from daflow_jax import errors
from daflow_jax.io import json_file, storage
from daflow_jax.io.storage import Place, faults
from daflow_jax.pretrained import meta as description
from daflow_jax.pretrained import read
from daflow_jax.pretrained.names import CARD, CONFIG


def fetch(source: Place, cache: Path) -> Path:
    """Returns a folder of this machine with the model folder `source` (or that of the .safetensors
    file `source`).

    It is fetched once for every content of its config.json, which holds the hash of the weights.
    Raises UserError: code 2 for what is not a model folder, 3 where the store does not give it.
    """
    source = source.parent if source.suffix == ".safetensors" else source
    storage.check(source)
    with faults.explained(source):
        there = {path.name for path in source.iterdir()} if source.is_dir() else set()
        data = (source / CONFIG).read_bytes() if CONFIG in there else b""
    if CONFIG not in there:
        raise errors.UserError(source, f"not found; {read.NEEDS}", "Check the path")
    fields = json_file.Fields(source / CONFIG, _object(data, source / CONFIG))
    count = fields.whole("shards", 1, most=description.MOST_SHARDS, default=1)
    weights = read.weight_names(count)
    for name in weights:
        if name not in there:
            raise errors.UserError(source / name, f"not found; {read.NEEDS}", "Copy it again")

    def check(folder: Path) -> None:
        wanted = fields.text("sha256", "")
        if wanted and read.digest([folder / name for name in weights]) != wanted:
            rule = f"is not what {CONFIG} names (sha256 differs)"
            raise errors.UserError(source, rule, "Copy the folder again")

    names = [*weights, CONFIG, *({CARD} & there)]
    return storage.fetched(source, names, cache, data, check)


def _object(data: bytes, where: Place) -> dict:
    value = json_file.loads(data, where, "Copy the folder again")
    if not isinstance(value, dict):
        raise errors.UserError(where, "is not of a daflow model", f"Remember that {read.NEEDS}")
    return value
