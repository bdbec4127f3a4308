"""Optimisers as published recipes use them: PyTorch's clipping, a rate by step, groups of
parameters.
"""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from daflow_jax import errors, ranges
from daflow_jax.train import groups as parameter_groups
from daflow_jax.train import schedule

SCHEDULES = ("one_cycle", "constant", "cosine", "from_zero", "halved")
NAMES = ("adamw", "adam", "sgd", "lars")
MOST_RATE = 1000  # [choice] of rates and decays
_READ_BY = {  # fields that only some optimisers read
    "beta1": ("adamw", "adam"),
    "beta2": ("adamw", "adam"),
    "eps": ("adamw", "adam"),
    "momentum": ("sgd", "lars"),
    "nesterov": ("sgd", "lars"),
    "trust": ("lars",),
}


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """What moves the parameters.

    Attributes:
        name: "adamw" (decoupled decay), "adam" (decay added to the gradient, whose moments then
            hold it too), "sgd" (PyTorch's: decay added to the gradient, momentum without the
            rate), or "lars" (as sgd, each kernel's step in proportion to its norm; Y.
            You et al., arXiv 1708.03888).
        halve_at: steps from which "halved" takes half of the rate before.
        trust: LARS's coefficient; biases and scales, of one dimension, take plain steps.
        groups: parameters with a rate or decay of their own, the first that matches counts; see
            `groups.Group`. Those that match none have the section's values.
        train: what trains, "all", another set that the model names (`models.trainable_sets`), or
            patterns of whole parameter paths.
        frozen: patterns of what does not train all the same, "backbone/.*". Frozen parameters have
            no gradient, no moments and no average.
    """

    lr: float
    name: str = "adamw"
    schedule: str = "one_cycle"
    warmup_steps: int = 0  # of all but "one_cycle"
    final_lr: float = 0.0  # where "cosine" ends
    halve_at: tuple[int, ...] = ()
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    momentum: float = 0.9
    nesterov: bool = False
    trust: float = 1e-3
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    ema_decay: float = 0.0  # 0 = no average is kept
    groups: tuple[parameter_groups.Group, ...] = ()
    train: str | tuple[str, ...] = "all"
    frozen: tuple[str, ...] = ()

    def __post_init__(self):
        moments = dict.fromkeys(("beta1", "beta2", "momentum", "ema_decay"), (0, ranges.BELOW_1))
        rates = dict.fromkeys(("lr", "final_lr", "weight_decay"), (0, MOST_RATE))
        above = dict(trust=(ranges.ABOVE_0, MOST_RATE), clip_norm=(ranges.ABOVE_0, math.inf))
        counts = dict(warmup_steps=(0, ranges.COUNT), eps=(0, 1))
        counts |= dict(halve_at=(1, ranges.COUNT))
        ranges.check(self, **moments, **rates, **above, **counts)
        ranges.check_choice(self, name=NAMES, schedule=SCHEDULES)
        ranges.check_patterns(self, "train", "frozen")
        if self.schedule == "one_cycle" and self.warmup_steps:
            where = "config.optimizer.warmup_steps"
            raise errors.UserError(where, "one_cycle has its own warm-up", "Set it to 0")
        if self.halve_at and self.schedule != "halved":
            where, rule = "config.optimizer.halve_at", f"{self.schedule} does not read it"
            raise errors.UserError(where, rule, 'Leave it out, or set schedule to "halved"')
        if self.final_lr and self.schedule != "cosine":
            where = "config.optimizer.final_lr"
            raise errors.UserError(where, f"{self.schedule} does not read it", "Leave it at 0")
        for field in dataclasses.fields(self):
            unread = self.name not in _READ_BY.get(field.name, NAMES)
            if unread and getattr(self, field.name) != field.default:
                rule, remedy = f"{self.name} does not read it", f"Leave it at {field.default}"
                raise errors.UserError(f"config.optimizer.{field.name}", rule, remedy)


class Optimizer(NamedTuple):
    """`tx` gives the direction; the rate is multiplied by the step, so that a skipped step keeps
    its date.
    """

    tx: optax.GradientTransformation
    rate: schedule.Schedule
    ema_decay: float = 0.0


def make_optimizer(config: OptimizerConfig, steps: int) -> Optimizer:
    """Returns the optimiser for a run of `steps` updates."""
    if config.schedule == "one_cycle":
        rate = schedule.one_cycle(config.lr, steps + 100)
    elif config.schedule == "cosine":
        rate = schedule.cosine(config.lr, steps, config.warmup_steps, config.final_lr)
    elif config.schedule == "from_zero":
        rate = schedule.from_zero(config.lr, steps, config.warmup_steps)
    elif config.schedule == "halved":
        rate = schedule.halved(config.lr, config.halve_at, config.warmup_steps)
    else:
        rate = schedule.constant(config.lr, config.warmup_steps)
    clip, decay = clip_by_global_norm(config.clip_norm), _decay(config)
    momentum = optax.trace(config.momentum, config.nesterov)
    if config.name == "adamw":
        parts = (clip, optax.scale_by_adam(config.beta1, config.beta2, config.eps), decay)
    elif config.name == "adam":
        parts = (clip, decay, optax.scale_by_adam(config.beta1, config.beta2, config.eps))
    elif config.name == "sgd":
        parts = (clip, decay, momentum)
    else:
        trust = optax.scale_by_trust_ratio(trust_coefficient=config.trust)
        parts = (clip, decay, optax.masked(trust, _kernels), momentum)
    scaled = (parameter_groups.scaled(config.groups),) if config.groups else ()
    return Optimizer(optax.chain(*parts, *scaled), rate, config.ema_decay)


def _decay(config: OptimizerConfig) -> optax.GradientTransformation:
    if not config.groups:
        return optax.add_decayed_weights(config.weight_decay)
    return parameter_groups.decayed(config.groups, config.weight_decay)


def _kernels(params):
    return jax.tree.map(lambda x: x.ndim > 1, params)


def clip_by_global_norm(max_norm: float) -> optax.GradientTransformation:
    """Returns PyTorch's clipping: gradients times min(1, max_norm / (norm + 1e-6))."""

    def update(updates, state, params=None):
        del params
        factor = jnp.minimum(1.0, max_norm / (optax.tree.norm(updates) + 1e-6))
        return jax.tree.map(lambda g: g * factor.astype(g.dtype), updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
