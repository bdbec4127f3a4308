"""From a configuration file and command-line overrides to one complete ConfigDict."""

import ast
import dataclasses
import importlib.util
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from daflow_jax import errors, models, ranges, tasks
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

    values = load(spec)
    for section in ("model", "task"):
        for text in argv:
            if text.startswith(f"{PREFIX}{section}.name="):
                own = sections.mapping(values.get(section, {}), f"config.{section}")
                values[section] = own | {"name": text.partition("=")[2]}
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
    mesh = {"dcn": 1, "data": -1, "fsdp": 1, "seq": 1, "tensor": 1}
    out: dict[str, Any] = {"seed": 0, "precision": sections.PRECISION, "mesh": mesh}
    for name, kind in sections.SETTINGS.items():
        out[name] = _defaults(kind)
    scene = out["data"].pop("scene")
    for name in ("degrade", "seed"):  # sections of their own
        out["data"].pop(name)
    out["data"] |= {"source": "host", "scene": dataclasses.asdict(scene)}
    if (preset := _named(values.get("model"), models.PRESETS)) is not None:
        out["model"] = dataclasses.asdict(preset)
    networks = values.get("networks", {})
    for field, network in networks.items() if isinstance(networks, Mapping) else ():
        if (preset := _named(network, models.PRESETS)) is not None:
            out["networks"] = {**out.get("networks", {}), field: dataclasses.asdict(preset)}
    if (task := _named(values.get("task"), tasks.TASKS)) is not None:
        out["task"] = _defaults(task)
    return _overlay(out, values)


def _named(section: Any, table: Mapping[str, Any]) -> Any:
    """Returns what the `name` of a section stands for, None where `build` will refuse it."""
    name = section.get("name") if isinstance(section, Mapping) else None
    return table.get(name) if isinstance(name, str) else None


def load(spec: str) -> dict[str, Any]:
    """Returns the fields that get_config() of "FILE.py" or "FILE.py:argument" sets.

    Raises UserError for a file that cannot be run, with the line that failed, and for one that
    returns no configuration.
    """
    path, _, argument = spec.partition(":")
    if not Path(path).is_file():
        raise errors.UserError(path, "no such file", "Name a file such as configs/raft/star.py")
    found = importlib.util.spec_from_file_location("daflow_config", path)
    if found is None or found.loader is None:
        raise errors.UserError(
            path, "is not a Python file", "Name a file such as configs/raft/star.py"
        )
    module = importlib.util.module_from_spec(found)
    loader = found.loader
    _run(path, lambda: loader.exec_module(module))
    if not hasattr(module, "get_config"):
        raise errors.UserError(path, "has no get_config()", "Look at configs/raft/star.py")
    config = _run(path, lambda: module.get_config(*([argument] if argument else [])))
    values = config.to_dict() if hasattr(config, "to_dict") else config
    if not isinstance(values, Mapping):
        rule = f"get_config() returns {ranges.shown(values)}, no configuration"
        raise errors.UserError(path, rule, "Return an ml_collections.ConfigDict")
    return sections.checked(values, f"{path}: config")


def _run(path: str, code: Callable[[], Any]) -> Any:
    """Returns what the file's own code returns; what it raises is a `UserError` with the line."""
    try:
        return code()
    except errors.UserError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        inside = [frame.lineno for frame in frames if frame.filename == path]
        line = error.lineno if isinstance(error, SyntaxError) else (inside or [1])[-1]
        what = str(error).partition("\n")[0]
        rule = f"line {line} raises {type(error).__name__}: {what}"
        raise errors.UserError(path, rule, "Correct the file") from error


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
    """Sets one field; the text is Python's notation unless the field holds text. The name of a
    network may stand for a network."""
    *parents, last = path.split(".")
    node, seen = config, "config"
    for name in (*parents, last):
        known = list(node.keys()) if hasattr(node, "keys") else []
        if name not in known:
            raise errors.UserError(f"--{seen}.{name}", "unknown field", errors.nearest(name, known))
        owner, node, seen = node, node[name], f"{seen}.{name}"
    if parents and parents[0] in ("model", "networks") and hasattr(node, "keys"):
        if text in models.PRESETS:  # another network in the place of this one
            with owner.ignore_type():
                owner[last] = text
            return
    try:
        owner[last] = text if isinstance(node, str) else ast.literal_eval(text)
    except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError) as error:
        kind = type(node).__name__
        raise errors.UserError(
            f"--{seen}={text}", f"is not of type {kind}", f"It is now {node!r}"
        ) from error
