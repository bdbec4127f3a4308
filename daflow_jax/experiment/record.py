"""The configuration of a run as its workdir keeps it: every default written out."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from daflow_jax import models, ranges, tasks
from daflow_jax.experiment import sections
from daflow_jax.experiment.networks import MODULE
from daflow_jax.tasks import base


def record(
    parts: Mapping[str, Any],
    data: Mapping[str, Any],
    networks: Mapping[str, Any],
    task: tuple[str, tasks.Task],
    whole: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the sections as nested dicts.

    Args:
        parts: dataclasses by section. data: that section. networks: configurations by field of the
            task. task: its name and itself. whole: what stands in no section.
    """
    name, found = task
    hidden = base.network_fields(type(found))
    own = dataclasses.fields(found) if dataclasses.is_dataclass(found) else ()
    described = {field: models.to_dict(model) for field, model in networks.items()}
    module = {"model": described.pop(MODULE)} if MODULE in described else {}
    return {
        **{section: dataclasses.asdict(part) for section, part in parts.items()},
        "data": dict(data),
        **module,
        **({"networks": described} if described else {}),
        "task": {
            "name": name,
            **{f.name: getattr(found, f.name) for f in own if f.name not in hidden},
        },
        **whole,
    }


def filled(old: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a record of an older version with the default of every field that it lacks, which
    therefore must mean what was the only way before.
    """
    kinds = {name: kind for name, kind in sections.SETTINGS.items() if name != "degrade"}
    out = {
        name: _filled(kinds[name], part) if name in kinds else part for name, part in old.items()
    }
    if "model" in out:
        out["model"] = _network(out["model"])
    if isinstance(out.get("networks"), Mapping):
        out["networks"] = {name: _network(part) for name, part in out["networks"].items()}
    task = out.get("task")
    if isinstance(task, Mapping) and task.get("name") in tasks.TASKS:
        kind = tasks.TASKS[task["name"]]
        out["task"] = _filled(kind, task, base.network_fields(kind))
    if isinstance(out.get("data"), Mapping):
        out["data"] = {"source": "host", **out["data"]}
    return out


def _network(part: Any) -> Any:
    family = part.get("family") if isinstance(part, Mapping) else None
    entry = models.ENTRIES.get(family) if isinstance(family, str) else None
    return _filled(entry.config, part) if entry else part


def _filled(kind: type, part: Any, hidden: tuple[str, ...] = ()) -> Any:
    """Returns the fields of a dataclass with the defaults of those that are missing, inside too."""
    if not isinstance(part, Mapping) or not dataclasses.is_dataclass(kind):
        return part
    out, hints = dict(part), ranges.hints(kind)
    for field in dataclasses.fields(kind):
        if field.name in hidden:
            continue
        if field.name not in out:
            if field.default is not dataclasses.MISSING:
                out[field.name] = _plain(field.default)
        elif dataclasses.is_dataclass(hints[field.name]):
            out[field.name] = _filled(hints[field.name], out[field.name])
        elif (entry := sections.entry_kind(kind, field.name)) and isinstance(out[field.name], list):
            out[field.name] = [_filled(entry, each) for each in out[field.name]]
    return out


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value
