"""Sections of a configuration, plain values, as the dataclasses whose fields they name."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from daflow_jax import errors, ranges
from daflow_jax.input_pipeline import settings
from daflow_jax.synthetic import scene as scenes
from daflow_jax.train import evaluator, groups, optimizer, setup, writer

SECTIONS = (
    "task",
    "model",
    "networks",
    "optimizer",
    "data",
    "degrade",
    "train",
    "eval",
    "checkpoint",
    "mesh",
    "precision",
    "seed",
    "log",
)
PRECISION = "p=f32,c=f32"  # the default


@dataclasses.dataclass(frozen=True)
class Whole:
    """The fields that stand in no section, for the whole run."""

    seed: int = 0
    precision: str | Mapping[str, str | tuple[str, ...]] = PRECISION
    mesh: Mapping[str, int] = dataclasses.field(default_factory=lambda: {"data": -1})

    def __post_init__(self):
        ranges.check(self, seed=(0, 2**32 - 1))


SETTINGS: dict[str, type] = {  # sections whose keys are the fields of a dataclass
    "optimizer": optimizer.OptimizerConfig,
    "data": settings.DataConfig,
    "degrade": settings.DegradeConfig,
    "train": setup.TrainConfig,
    "eval": evaluator.EvalConfig,
    "checkpoint": setup.CheckpointConfig,
    "log": writer.LogConfig,
}
LISTS: dict[str, tuple[str, type]] = {  # fields that list dataclasses
    "optimizer": ("groups", groups.Group),
    "data": ("sources", settings.Source),
    "eval": ("sets", settings.EvalSource),
}


def plain(config: Any) -> Any:
    """Returns nested dicts with tuples for lists, whatever kind of mapping came in."""
    if isinstance(config, Mapping) or hasattr(config, "items"):
        return {name: plain(value) for name, value in config.items()}
    return tuple(plain(value) for value in config) if isinstance(config, list | tuple) else config


def mapping(values: Any, where: str) -> dict[str, Any]:
    """Returns a section as a dict; what is not a section is a UserError."""
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        rule = f"is {ranges.shown(values)}, not a section of named fields"
        raise errors.UserError(where, rule, "Write dict(field=value, ...)")
    return dict(values)


def checked(values: Any, where: str) -> dict[str, Any]:
    """Returns nested sections as dicts; a name that is not a word is a UserError."""
    found = mapping(values, where)
    for name, value in found.items():
        if not name.isidentifier():
            raise errors.UserError(f"{where}.{name}", "is not the name of a field", "Rename it")
        if isinstance(value, Mapping):
            found[name] = checked(value, f"{where}.{name}")
    return found


def check_known(where: str, values: Any, names: Any) -> None:
    """Raises UserError for a name that is not among `names`."""
    for name in mapping(values, where):
        if name not in names:
            raise errors.UserError(f"{where}.{name}", "unknown field", errors.nearest(name, names))


def construct(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """Returns kind(**values); what it refuses with ValueError is a UserError naming `where`."""
    try:
        return kind(**ranges.typed(kind, values) if dataclasses.is_dataclass(kind) else values)
    except ValueError as error:
        raise ranges.refusal(error, where) from error


def whole(config: Mapping[str, Any]) -> Whole:
    """Returns the fields that stand in no section."""
    names = [field.name for field in dataclasses.fields(Whole)]
    return construct(Whole, {name: config[name] for name in names if name in config}, "config")


def section(kind: type, config: Mapping[str, Any], name: str, **given: Any) -> Any:
    """Returns the dataclass `kind` filled from a section; its field names are the section's keys.

    `given` are fields that the caller knows; the section may not set them.
    """
    values = mapping(config.get(name, {}), f"config.{name}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    check_known(f"config.{name}", values, set(fields) - set(given))
    if name in LISTS and LISTS[name][0] in values:
        field, entry = LISTS[name]
        values[field] = _listed(entry, values[field], f"{name}.{field}")
    values |= given
    missing = [
        key
        for key, field in fields.items()
        if key not in values and field.default is field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise errors.UserError(f"config.{name}.{missing[0]}", "is missing", "Give it a value")
    return construct(kind, values, f"config.{name}")


def _listed(kind: type, listed: Any, name: str) -> tuple[Any, ...]:
    """Returns one dataclass for every entry of a list of sections."""
    if not isinstance(listed, tuple) or not all(isinstance(x, Mapping) for x in listed):
        field = dataclasses.fields(kind)[0].name
        what, remedy = name.partition(".")[2], f"Write (dict({field}=..., ...), ...)"
        raise errors.UserError(f"config.{name}", f"is not a list of {what}", remedy)
    names = [f"{name}[{place}]" for place in range(len(listed))]
    pairs = zip(names, listed, strict=True)
    return tuple(section(kind, {entry: values}, entry) for entry, values in pairs)


def entry_kind(kind: type, field: str) -> type | None:
    """Returns the dataclass that a field of a section's dataclass lists, None if it lists none."""
    for name, (listing, entry) in LISTS.items():
        if SETTINGS[name] is kind and listing == field:
            return entry
    return None


def data(config: Mapping[str, Any], seed: int) -> tuple[settings.DataConfig, str]:
    """Returns the settings of the clips, and where they are made: "host" or "device"."""
    values = mapping(config.get("data", {}), "config.data")
    source = values.pop("source", "host")
    if not isinstance(source, str):
        raise errors.UserError("config.data.source", f"is {source!r}", "Write host or device")
    scene = section(scenes.SceneConfig, {"data.scene": values.pop("scene", {})}, "data.scene")
    degrade = section(settings.DegradeConfig, config, "degrade")
    given = {"scene": scene, "degrade": degrade, "seed": seed}
    return section(settings.DataConfig, {"data": values}, "data", **given), source


def dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested values under names with dots."""
    out = {}
    for name, value in values.items():
        nested = isinstance(value, Mapping)
        out |= dotted(value, f"{prefix}{name}.") if nested else {prefix + name: value}
    return out
