"""Model folders: found by name, read, written; nothing in them is run."""

from daflow_jax import DEFAULT_MODEL
from daflow_jax.io.storage import Place
from daflow_jax.models.calls import abstract_variables
from daflow_jax.pretrained.names import (
    ASSETS,
    CARD,
    CONFIG,
    available,
    cache_root,
    resolve,
    roots,
)
from daflow_jax.pretrained.read import (
    FORMAT,
    LoadedModel,
    flatten,
    load,
    read_meta,
    shapes,
    weight_files,
)
from daflow_jax.pretrained.write import DTYPES, save, write

__all__ = [
    "ASSETS", "CARD", "CONFIG", "DEFAULT_MODEL", "DTYPES", "FORMAT", "LoadedModel", "Place",
    "abstract_variables", "available", "cache_root", "flatten", "load", "read_meta", "resolve",
    "roots", "save", "shapes", "weight_files", "write",
]  # fmt: skip
