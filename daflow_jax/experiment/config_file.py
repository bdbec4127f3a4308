"""From a configuration file and command-line overrides to one complete ConfigDict."""

import ast
import dataclasses
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daflow_jax import errors, models, tasks
from daflow_jax.experiment import sections
from daflow_jax.tasks import base

PREFIX = "--config."


def read(spec: str, argv: Sequence[str] = ()) -> Any:
    """Returns get_config() of "FILE.py" or "FILE.py:argument" with every default filled in.

    Defaults are those of the model and task that the file, or an override in `argv`, names; a
    field of the file that another model does not have is kept, for `experiment.build` to refuse.
    Raises UserError for a file that is not one, and for an override of a field that does not exist,
    with the nearest name.
    """
    import ml_collections

    values = load(spec).to_dict()
    for section in ("model", "task"):
        for text in argv:
            if text.startswith(f"{PREFIX}{section}.name="):
                values[section] = {"name": text.partition("=")[2]} | {
                    key: value for key, value in values.get(section, {}).items() if key != "name"
                }
    config = ml_collections.ConfigDict(complete(values))
    for text in argv:
        if not text.startswith(PREFIX) or "=" not in text:
            raise errors.UserError(
                text, "unknown flag", f"Fields are written {PREFIX}train.steps=200"
            )
        _override(config, *text.removeprefix(PREFIX).split("=", 1))
    return config.lock()


def complete(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the nested dict with the default of every field that `values` leaves out."""
    mesh = {"data": -1, "fsdp": 1, "seq": 1, "tensor": 1}
    out: dict[str, Any] = {"seed": 0, "precision": sections.PRECISION, "mesh": mesh}
    for name, kind in sections.SETTINGS.items():
        out[name] = _defaults(kind)
    scene = out["data"].pop("scene")
    for name in ("degrade", "seed"):  # sections of their own
        out["data"].pop(name)
    out["data"] |= {"source": "host", "scene": dataclasses.asdict(scene)}
    named = {section: dict(values.get(section, {})).get("name") for section in ("model", "task")}
    if named["model"] in models.PRESETS:
        out["model"] = dataclasses.asdict(models.PRESETS[named["model"]])
    for field, network in dict(values.get("networks", {})).items():
        if dict(network).get("name") in models.PRESETS:
            default = dataclasses.asdict(models.PRESETS[network["name"]])
            out["networks"] = {**out.get("networks", {}), field: default}
    if named["task"] in tasks.TASKS:
        out["task"] = _defaults(tasks.TASKS[named["task"]])
    return _overlay(out, values)


def load(spec: str) -> Any:
    """Returns get_config() of "FILE.py" or "FILE.py:argument" as it is written."""
    path, _, argument = spec.partition(":")
    if not Path(path).is_file():
        raise errors.UserError(path, "no such file", "Name a file such as configs/raft/star.py")
    found = importlib.util.spec_from_file_location("daflow_config", path)
    if found is None or found.loader is None:
        raise errors.UserError(
            path, "is not a Python file", "Name a file such as configs/raft/star.py"
        )
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise errors.UserError(path, "has no get_config()", "Look at configs/raft/star.py")
    return module.get_config(argument) if argument else module.get_config()


def _defaults(kind: type) -> dict[str, Any]:
    """Returns the defaults of a dataclass, without fields for networks."""
    networks, known = base.network_fields(kind), dataclasses.is_dataclass(kind)
    return {
        field.name: field.default
        for field in (dataclasses.fields(kind) if known else ())
        if field.default is not dataclasses.MISSING and field.name not in networks
    }


def _overlay(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for name, value in top.items():
        nested = isinstance(value, Mapping) and isinstance(out.get(name), Mapping)
        out[name] = _overlay(out[name], value) if nested else value
    return out


def _override(config: Any, path: str, text: str) -> None:
    """Sets one field; the text is Python's notation unless the field holds text."""
    *parents, last = path.split(".")
    node, seen = config, "config"
    for name in (*parents, last):
        known = list(node.keys()) if hasattr(node, "keys") else []
        if name not in known:
            raise errors.UserError(f"--{seen}.{name}", "unknown field", errors.nearest(name, known))
        owner, node, seen = node, node[name], f"{seen}.{name}"
    try:
        owner[last] = text if isinstance(node, str) else ast.literal_eval(text)
    except (TypeError, ValueError, SyntaxError) as error:
        kind = type(node).__name__
        raise errors.UserError(
            f"--{seen}={text}", f"is not of type {kind}", f"It is now {node!r}"
        ) from error
