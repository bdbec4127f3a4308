"""Model folders: found by name, read, written; nothing in them is run."""

from daflow_jax.pretrained.folder import (
    CARD,
    CONFIG,
    DTYPES,
    LoadedModel,
    abstract_variables,
    available,
    cache_root,
    flatten,
    load,
    read_meta,
    resolve,
    save,
    shapes,
    weight_files,
    write,
)

__all__ = [
    "CARD", "CONFIG", "DTYPES", "LoadedModel", "abstract_variables", "available", "cache_root",
    "flatten", "load", "read_meta", "resolve", "save", "shapes", "weight_files", "write",
]  # fmt: skip
