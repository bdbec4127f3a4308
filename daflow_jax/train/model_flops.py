"""What one step must compute, whatever else it recomputes: the numerator of utilisation."""

import dataclasses
from typing import Any, cast

import jax

from daflow_jax.profiling import flops
from daflow_jax.tasks import base
from daflow_jax.train import optimizer as optimizers
from daflow_jax.train import step as steps


def per_step(task: base.Task, optimizer: optimizers.Optimizer, state: Any, batch: Any) -> float:
    """Returns the FLOPs of one step on the global batch: forward and backward, plain attention,
    nothing recomputed, on one device.

    Args:
        state, batch: a train state and a batch, or their shapes. Nothing is computed, but tracing
            a large network takes seconds.
    """
    step = steps.make_step(without_recomputing(task), optimizer)
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), (state, batch))
    with jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), ())):
        return flops.needed(step, *shapes)


def without_recomputing(task: Any) -> Any:
    """Returns the task whose networks keep all activations and whole attention logits.

    Networks are the fields with a configuration; a task without any is returned as it is.
    """
    if not dataclasses.is_dataclass(task):
        return task
    fields: dict[str, Any] = {f.name: getattr(task, f.name) for f in dataclasses.fields(task)}
    networks = {
        name: cast(Any, value).clone(config=plain(cast(Any, value).config))
        for name, value in fields.items()
        if isinstance(value, base.Network)
        and dataclasses.is_dataclass(getattr(value, "config", None))
    }
    return dataclasses.replace(cast(Any, task), **networks) if networks else task


def plain(config: Any) -> Any:
    """Returns a network's configuration with every `remat` off and every `attention` plain."""
    changed = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            changed[field.name] = plain(value)
        elif field.name == "remat":
            changed[field.name] = False if isinstance(value, bool) else "none"
        elif field.name == "attention":
            changed[field.name] = "plain"
    return dataclasses.replace(config, **changed)
