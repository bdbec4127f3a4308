"""The models by name: one explicit table of entries, so that every name can be found by search."""

import dataclasses
import importlib.metadata
import typing
from typing import Any

from daflow_jax import errors, ranges
from daflow_jax.models.adaptive_flow.entry import ADAPTIVE_FLOW
from daflow_jax.models.basicvsr.entry import BASICVSR
from daflow_jax.models.daflow.entry import DAFLOW
from daflow_jax.models.daflow_cost.entry import DAFLOW_COST
from daflow_jax.models.dit4sr.entry import RESTORER
from daflow_jax.models.entry import KINDS, Entry, Example, loaded
from daflow_jax.models.flownet.entry import FLOWNET
from daflow_jax.models.gmflow.entry import GMFLOW
from daflow_jax.models.jffra.entry import JFFRA
from daflow_jax.models.mask_unet.entry import MASK_UNET
from daflow_jax.models.maskformer.entry import MASKFORMER
from daflow_jax.models.omnimotion.entry import OMNIMOTION
from daflow_jax.models.pwcnet.entry import PWCNET
from daflow_jax.models.raft.entry import RAFT
from daflow_jax.models.resnet.entry import RESNET
from daflow_jax.models.rife.entry import RIFE, RIFE3, RIFE4, RIFE31
from daflow_jax.models.rrdb.entry import RRDB
from daflow_jax.models.sea_raft.entry import SEA_RAFT
from daflow_jax.models.spynet.entry import SPYNET
from daflow_jax.models.vae.entry import VAE
from daflow_jax.models.vit.entry import VIT
from daflow_jax.models.vit_keys.entry import VIT_KEYS

ENTRIES: dict[str, Entry] = {}  # by family
PRESETS: dict[str, Any] = {}  # configurations of all families by name
_NEEDED = {
    "flow": ("frames", "multiple", "minimum", "stride", "uncertainty"),
    "restoration": ("frames", "multiple", "minimum", "scale", "maximum"),
    "interpolation": ("frames", "multiple", "minimum", "any_time"),
    "features": ("frames", "multiple", "minimum"),
    "segmentation": ("frames", "multiple", "minimum", "masks", "stride", "side"),
    "tracks": ("frames", "multiple", "minimum", "height", "width"),
}


def register(entry: Entry) -> Entry:
    """Adds a family of networks to those that every command and function knows; returns it.

    A program registers its own models before it reads a configuration or a model folder of them; a
    configuration file of training may do so itself. Raises ValueError for a name that is taken, or
    a configuration that lacks what its kind needs.
    """
    if entry.kind not in KINDS:
        raise ValueError(f"{entry.family}: kind {entry.kind!r}; use one of {', '.join(KINDS)}")
    if ENTRIES.get(entry.family, entry) is not entry:
        raise ValueError(f"family {entry.family!r} is registered already; take another name")
    taken = [n for n, c in entry.presets.items() if PRESETS.get(n, c) is not c]
    if taken:
        raise ValueError(f"preset {taken[0]!r} is registered already; take another name")
    for name, config in entry.presets.items():
        missing = [x for x in _NEEDED[entry.kind] if not hasattr(config, x)]
        if missing:
            raise ValueError(f"{name}: a {entry.kind} configuration needs {missing[0]!r}")
    ENTRIES[entry.family] = entry
    PRESETS.update(entry.presets)
    return entry


for _entry in (RIFE, RIFE31, RIFE3, RIFE4, RESNET, VIT):
    register(_entry)
for _entry in (RAFT, SEA_RAFT, RESTORER, DAFLOW, DAFLOW_COST, VAE, RRDB, SPYNET, BASICVSR, JFFRA):
    register(_entry)
for _entry in (PWCNET, FLOWNET, GMFLOW, ADAPTIVE_FLOW):
    register(_entry)
for _entry in (VIT_KEYS, MASK_UNET, MASKFORMER, OMNIMOTION):
    register(_entry)


def register_installed() -> None:
    """Imports the modules of other packages that register models of theirs: every entry point of
    the group "daflow_jax.models" names one.
    """
    for point in importlib.metadata.entry_points(group="daflow_jax.models"):
        point.load()


def entry_of(config: Any) -> Entry:
    """Returns the entry of a configuration. Raises KeyError for one that is of no family."""
    for entry in ENTRIES.values():
        if type(config) is entry.config:
            return entry
    raise KeyError(f"{type(config).__name__} is the configuration of no registered model")


def entries(kind: str) -> list[Entry]:
    """Returns the entries of a kind, in the order in which they were registered."""
    return [entry for entry in ENTRIES.values() if entry.kind == kind]


def preset(name: str, **overrides: Any) -> Any:
    """Returns the configuration called `name`, with fields replaced.

    Nested fields are named with dots ("raft.lookup"). Raises UserError for an unknown name or
    field.
    """
    if name not in PRESETS:
        raise errors.UserError(name, "is not a model", errors.nearest(name, PRESETS))
    changes: dict[str, Any] = {}
    for path, value in overrides.items():
        *parents, field = path.split(".")
        node = changes
        for parent in parents:
            node = node.setdefault(parent, {})
        node[field] = value
    return _replace(PRESETS[name], changes, where="model")


def _replace(config, changes, where):
    """Replaces all fields of one level together: some rules hold between fields."""
    kinds = {field.name: field.type for field in dataclasses.fields(config)}
    names = list(kinds)
    values = {}
    for name, value in changes.items():
        if name not in names:
            remedy = errors.nearest(name, names)
            raise errors.UserError(f"{where}.{name}", "is not a field", remedy)
        if kinds[name] is Any and isinstance(value, str):
            value = preset(value)  # a network of any family inside of this one
        if isinstance(value, dict):
            if not dataclasses.is_dataclass(inner := getattr(config, name)):
                raise errors.UserError(f"{where}.{name}", "has no fields", f"It is {inner!r}")
            value = _replace(inner, value, f"{where}.{name}")
        allowed = typing.get_args(kinds[name]) if _is_choice(kinds[name]) else (value,)
        if value not in allowed:
            remedy = errors.nearest(str(value), map(str, allowed))
            raise errors.UserError(f"{where}.{name}", f"{value!r} is not a choice", remedy)
        values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return dataclasses.replace(config, **ranges.typed(type(config), values))
    except ValueError as error:
        raise ranges.refusal(error, where) from error


def _is_choice(kind: Any) -> bool:
    return typing.get_origin(kind) is typing.Literal


def build(config: Any, dtype: Any = None, param_dtype: Any = None) -> Any:
    """Returns the Linen module of a configuration; dtypes as in Linen (None: float32)."""
    import jax.numpy as jnp

    module = loaded(entry_of(config).module)
    return module(config, dtype=dtype, param_dtype=param_dtype or jnp.float32)


def example(config: Any) -> Example:
    """Returns the call that initialises every parameter of a configuration's module."""
    return entry_of(config).example(config)


def trainable_sets(config: Any) -> dict[str, tuple[str, ...]]:
    """Returns the named sets of parameters that a training of this model may ask for, as patterns
    of whole parameter paths; "all" is always one.
    """
    own = entry_of(config).trainable
    return {"all": (".*",), **(own(config) if own else {})}


def stored(config: Any) -> Any:
    """Returns the configuration under which weights of `config` lie in model folders."""
    storage = entry_of(config).storage
    return storage.stored(config) if storage else config


def pack(config: Any, variables: Any) -> Any:
    """Returns variables of a run of `config` as they lie in model folders (`stored`)."""
    storage = entry_of(config).storage
    return loaded(storage.pack)(variables) if storage else variables


def unpack(config: Any, variables: Any) -> Any:
    """Returns variables, of a model folder or of a run, as a run of `config` holds them."""
    storage = entry_of(config).storage
    return loaded(storage.unpack)(variables, config) if storage else variables


def part(config: Any, kind: str) -> tuple[Any, str] | None:
    """Returns (configuration, parameter path) of what a model has of a kind: itself with the path
    "", or a part of it; None if it has none.
    """
    entry = entry_of(config)
    if entry.kind == kind:
        return config, ""
    inner = entry.parts.get(kind)
    return (getattr(config, inner.config), inner.path) if inner else None


def to_dict(config: Any) -> dict[str, Any]:
    """Returns a JSON-able description that `from_dict` reads back."""
    values = dataclasses.asdict(config)
    for field in dataclasses.fields(config):
        inner = getattr(config, field.name)
        if field.type is Any and inner is not None:  # a network of any family inside of this one
            values[field.name] = to_dict(inner)
    return {"family": entry_of(config).family, **values}


def from_dict(values: dict[str, Any]) -> Any:
    """Returns the configuration that `to_dict` described; unknown fields are errors.

    A field that the description lacks is younger than it and has its default, which therefore must
    mean what was the only way before.
    """
    values = dict(values)
    family = values.pop("family", "")
    if family not in ENTRIES:
        raise errors.UserError(f"family {family!r}", "is unknown", errors.nearest(family, ENTRIES))
    return _from_dict(ENTRIES[family].config, values, family)


def _from_dict(kind, values, where):
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise errors.UserError(where, f"unknown fields {unknown}", "Check the format version")
    for name, field in fields.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise errors.UserError(f"{where}.{name}", "is missing", "Copy the file again")
    out = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(nested := fields[name].type):
            value = _from_dict(nested, value, f"{where}.{name}")
        elif nested is Any and isinstance(value, dict):
            value = from_dict(value)
        out[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**out)
    except ValueError as error:
        raise ranges.refusal(error, where) from None
