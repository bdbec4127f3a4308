"""The networks of a task: their configurations, and the task around them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from daflow_jax import errors, models, precision, tasks
from daflow_jax.experiment import sections
from daflow_jax.tasks import base

MODULE = "module"  # the field that `config.model` fills


def build_model(config: Mapping[str, Any], where: str = "model") -> Any:
    """Returns the model configuration of a section: that of its `name` with every other field
    replaced.
    """
    values = sections.mapping(config.get(where, {}), f"config.{where}")
    if "name" not in values:
        remedy = errors.nearest("", models.PRESETS)
        raise errors.UserError(f"config.{where}.name", "is missing", remedy)
    name = values.pop("name")
    if not isinstance(name, str) or name not in models.PRESETS:
        rule, remedy = f"unknown {name!r}", errors.nearest(str(name), models.PRESETS)
        raise errors.UserError(f"config.{where}.name", rule, remedy)
    return models.preset(name, **sections.dotted(values))


def task_kind(config: Mapping[str, Any]) -> type:
    """Returns the class of the task that a configuration names."""
    name = sections.mapping(config.get("task", {}), "config.task").get("name", "")
    if not isinstance(name, str) or name not in tasks.TASKS:
        remedy = errors.nearest(str(name), tasks.TASKS)
        raise errors.UserError("config.task.name", f"unknown task {name!r}", remedy)
    return tasks.TASKS[name]


def build_networks(config: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Returns the configuration of every network that a task of this kind is given, by field."""
    fields, given = (
        base.network_fields(kind),
        sections.mapping(config.get("networks", {}), "config.networks"),
    )
    sections.check_known("config.networks", given, [name for name in fields if name != MODULE])
    required = [
        field.name
        for field in (dataclasses.fields(kind) if fields else ())
        if field.name in fields and field.default is dataclasses.MISSING
    ]
    if MODULE not in fields and config.get("model"):
        rule = f"task {config['task']['name']!r} has no field {MODULE!r} for it"
        raise errors.UserError("config.model", rule, "Leave it out, or fill config.networks")
    for name in required:
        if name != MODULE and name not in given:
            remedy = f"Write config.networks = dict({name}=dict(name=...))"
            raise errors.UserError(f"config.networks.{name}", "is missing", remedy)
    found = {}
    if MODULE in required or (MODULE in fields and config.get("model")):
        found[MODULE] = build_model(config)
    for name, values in given.items():
        found[name] = build_model({f"networks.{name}": values}, f"networks.{name}")
    return found


def build_task(
    config: Mapping[str, Any], kind: type, networks: Mapping[str, Any], policy: precision.Precision
) -> tasks.Task:
    """Returns the task around its networks, each under the policy."""
    values = {key: value for key, value in config.get("task", {}).items() if key != "name"}
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    own = [field.name for field in fields if field.name not in base.network_fields(kind)]
    sections.check_known("config.task", values, own)
    policies = _policies(policy, networks)
    bound = {  # parameters are drawn in float32, then stored
        name: precision.Bound(models.build(model, policy.compute), policies[name])
        for name, model in networks.items()
    }
    return sections.construct(kind, {**bound, **values}, "config.task")


def _policies(
    policy: precision.Precision, networks: Mapping[str, Any]
) -> dict[str, precision.Precision]:
    """Returns the policy of every network: products in 8 bits are those that the policy names, else
    those of the network's transformer blocks.
    """
    if not policy.eight or policy.products:
        return dict.fromkeys(networks, policy)
    named = {name: models.entry_of(model).products for name, model in networks.items()}
    if not any(named.values()):
        rule = f"products in {policy.eight} are of transformer blocks, which this model lacks"
        remedy = "Use bf16_mixed, or name layers under precision.products"
        raise errors.UserError("config.precision", rule, remedy)
    return {name: dataclasses.replace(policy, products=x) for name, x in named.items()}


def train_patterns(value: Any, networks: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the patterns of the parameters that train: `value` itself, or those of the set that
    it names among those of `config.model`.
    """
    if not isinstance(value, str):
        return tuple(value)
    known = {"all": (".*",)}
    if MODULE in networks:
        known = models.trainable_sets(networks[MODULE])
    if value not in known:
        rule = f"{value!r} is not a set of parameters of this model"
        raise errors.UserError("config.optimizer.train", rule, errors.nearest(value, known))
    return known[value]
