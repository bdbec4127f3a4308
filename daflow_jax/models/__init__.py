"""The models by name: one explicit table, so that every name can be found by search."""

import dataclasses
import typing
from typing import Any

from daflow_jax import errors
from daflow_jax.models.daflow import config as daflow_config
from daflow_jax.models.dit4sr import config as restorer_config
from daflow_jax.models.raft import config as raft_config
from daflow_jax.models.sea_raft import config as sea_raft_config
from daflow_jax.models.vae import config as vae_config

PRESETS: dict[str, Any] = {
    **raft_config.VARIANTS,
    **sea_raft_config.VARIANTS,
    **restorer_config.VARIANTS,
    **daflow_config.VARIANTS,
    **vae_config.VARIANTS,
}
CONFIGS: dict[str, type] = {
    "raft": raft_config.RAFTConfig,
    "sea_raft": sea_raft_config.SEARAFTConfig,
    "restorer": restorer_config.RestorerConfig,
    "daflow": daflow_config.DAFlowConfig,
    "vae": vae_config.VAEConfig,
}


def preset(name: str, **overrides) -> Any:
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
        if isinstance(value, dict):
            value = _replace(getattr(config, name), value, f"{where}.{name}")
        allowed = typing.get_args(kinds[name]) if _is_choice(kinds[name]) else (value,)
        if value not in allowed:
            remedy = errors.nearest(str(value), map(str, allowed))
            raise errors.UserError(f"{where}.{name}", f"{value!r} is no choice", remedy)
        values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return dataclasses.replace(config, **values)
    except ValueError as error:
        raise errors.UserError(where, str(error)) from error


def _is_choice(kind: Any) -> bool:
    return typing.get_origin(kind) is typing.Literal


def trainable_sets(config: Any) -> dict[str, tuple[str, ...]]:
    """Returns the named sets of parameters that a training of this model may ask for, as patterns
    of whole parameter paths; "all" is always one.
    """
    from daflow_jax.models.daflow import trainable as daflow_sets
    from daflow_jax.models.dit4sr import trainable as restorer_sets
    from daflow_jax.models.raft import trainable as raft_sets

    kinds = {
        "daflow": daflow_sets.sets,
        "raft": raft_sets.sets,
        "restorer": restorer_sets.sets,
    }
    own = kinds[config.family](config) if config.family in kinds else {}
    return {"all": (".*",), **own}


def build(config: Any, dtype=None, param_dtype=None):
    """Returns the Linen module of a configuration; dtypes as in Linen (None: float32)."""
    import jax.numpy as jnp

    from daflow_jax.models.daflow.model import DAFlow
    from daflow_jax.models.dit4sr.restorer import Restorer
    from daflow_jax.models.raft.model import RAFT
    from daflow_jax.models.sea_raft.model import SEARAFT
    from daflow_jax.models.vae.model import VAE

    modules = {
        "raft": RAFT,
        "sea_raft": SEARAFT,
        "restorer": Restorer,
        "daflow": DAFlow,
        "vae": VAE,
    }
    return modules[config.family](config, dtype=dtype, param_dtype=param_dtype or jnp.float32)


def transformer(config: Any) -> restorer_config.DiTConfig | None:
    """Returns the configuration of the diffusion transformer inside a model, None without one."""
    restorer = config.backbone if config.family == "daflow" else config
    return restorer.dit if restorer.family == "restorer" else None


def unrolled(config: Any) -> Any:
    """Returns `config` with single blocks in place of loops: how weights are kept in folders."""
    if config.family == "daflow":
        return dataclasses.replace(config, backbone=unrolled(config.backbone))
    if config.family == "restorer":
        return dataclasses.replace(config, dit=dataclasses.replace(config.dit, scan=False))
    return config


def to_dict(config: Any) -> dict[str, Any]:
    """Returns a JSON-able description that `from_dict` reads back."""
    return {"family": config.family, **dataclasses.asdict(config)}


def from_dict(values: dict[str, Any]) -> Any:
    """Returns the configuration that `to_dict` described; unknown fields are errors.

    A field that the description lacks is younger than it and has its default, which therefore must
    mean what was the only way before.
    """
    values = dict(values)
    family = values.pop("family", "")
    if family not in CONFIGS:
        raise errors.UserError(f"family {family!r}", "is unknown", errors.nearest(family, CONFIGS))
    return _from_dict(CONFIGS[family], values, family)


def _from_dict(kind, values, where):
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise errors.UserError(where, f"unknown fields {unknown}", "Check the format version")
    out = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(nested := fields[name].type):
            value = _from_dict(nested, value, f"{where}.{name}")
        out[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**out)
    except ValueError as error:
        raise errors.UserError(where, str(error), "Check the format version") from None
