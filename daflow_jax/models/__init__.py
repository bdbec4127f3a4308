"""The models by name; `entry` says what the library knows of one, `registry` holds the table."""

from daflow_jax.models.entry import CallOption, Entry, Example, Part, Storage, loaded
from daflow_jax.models.registry import (
    ENTRIES,
    PRESETS,
    build,
    entries,
    entry_of,
    example,
    from_dict,
    pack,
    part,
    preset,
    register,
    register_installed,
    stored,
    to_dict,
    trainable_sets,
    unpack,
)

__all__ = [
    "ENTRIES", "PRESETS", "CallOption", "Entry", "Example", "Part", "Storage", "build", "entries",
    "entry_of", "example", "from_dict", "loaded", "pack", "part", "preset", "register", "stored",
    "to_dict", "trainable_sets", "unpack",
]  # fmt: skip

register_installed()
