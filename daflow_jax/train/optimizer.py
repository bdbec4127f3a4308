"""AdamW as the published recipes use it: PyTorch's clipping, decay on every parameter, a rate by
step.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from daflow_jax import errors
from daflow_jax.train import schedule

SCHEDULES = ("one_cycle", "constant", "cosine")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with decoupled decay.

    Attributes:
        train: what trains, "all", another set that the model names (`models.trainable_sets`), or
            patterns of whole parameter paths.
        frozen: patterns of what does not train all the same, "backbone/.*". Frozen parameters have
            no gradient, no moments and no average.
    """

    lr: float
    schedule: str = "one_cycle"
    warmup_steps: int = 0  # of "constant" and "cosine"
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    ema_decay: float = 0.0  # 0 = no average is kept
    train: str | tuple[str, ...] = "all"
    frozen: tuple[str, ...] = ()


class Optimizer(NamedTuple):
    """`tx` gives the direction; the rate is multiplied by the step, so that a skipped step keeps
    its date.
    """

    tx: optax.GradientTransformation
    rate: schedule.Schedule
    ema_decay: float = 0.0


def make_optimizer(config: OptimizerConfig, steps: int) -> Optimizer:
    """Returns the optimiser for a run of `steps` updates."""
    if config.schedule not in SCHEDULES:
        remedy = errors.nearest(config.schedule, SCHEDULES)
        raise errors.UserError("config.optimizer.schedule", f"unknown {config.schedule!r}", remedy)
    if config.schedule == "one_cycle" and config.warmup_steps:
        raise errors.UserError(
            "config.optimizer.warmup_steps", "one_cycle has its own warm-up", "Set it to 0"
        )
    if config.schedule == "one_cycle":
        rate = schedule.one_cycle(config.lr, steps + 100)
    elif config.schedule == "cosine":
        rate = schedule.cosine(config.lr, steps, config.warmup_steps)
    else:
        rate = schedule.constant(config.lr, config.warmup_steps)
    tx = optax.chain(
        clip_by_global_norm(config.clip_norm),
        optax.scale_by_adam(config.beta1, config.beta2, config.eps),
        optax.add_decayed_weights(config.weight_decay),
    )
    return Optimizer(tx, rate, config.ema_decay)


def clip_by_global_norm(max_norm: float) -> optax.GradientTransformation:
    """Returns PyTorch's clipping: gradients times min(1, max_norm / (norm + 1e-6))."""

    def update(updates, state, params=None):
        del params
        factor = jnp.minimum(1.0, max_norm / (optax.tree.norm(updates) + 1e-6))
        return jax.tree.map(lambda g: g * factor.astype(g.dtype), updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
