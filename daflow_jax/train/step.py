"""One update of the state, the same for every task."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from daflow_jax.metrics import mean
from daflow_jax.sharding import axes
from daflow_jax.tasks import base
from daflow_jax.train import optimizer as optimizers
from daflow_jax.train import state as states

Metrics = dict[str, jax.Array]
NAMES = ("grad_norm", "lr", "skipped")  # metrics of every task
Step = Callable[[states.TrainState, dict], tuple[states.TrainState, Metrics]]


def make_step(
    task: base.Task,
    optimizer: optimizers.Optimizer,
    accumulate: int = 1,
    unroll: bool = False,
) -> Step:
    """Returns the pure function (state, batch) -> (state, metrics).

    Where loss or gradient norm is not finite nothing is learned from the batch: all but the step
    count and `health` stays as it was, and the metric `skipped` is 1.

    Args:
        accumulate: parts of the batch whose gradients are taken one after the other and averaged
            in float32 for one update; it must divide the clips of every device. The average is
            that of the whole batch where the parts draw no random numbers (each has its own) and
            batch statistics are frozen (each part uses its own, and updates the running ones).
        unroll: the parts are written out instead of looped over: on a CPU, whose gradients of
            convolutions are 20 to 60 times slower inside a loop.
    """
    gradients = functools.partial(_gradients, task, accumulate > 1)
    if accumulate > 1:
        gradients = functools.partial(_accumulated, gradients, accumulate, unroll)

    def step(state, batch):
        rng = jax.random.fold_in(state.rng, state.step)
        grads, aux, means = gradients(state, state.aux, batch, rng)
        values = {name: value.compute() for name, value in means.items()}
        norm = optax.tree.norm(grads)
        rate = optimizer.rate(state.step)
        good = jnp.isfinite(values["loss"]) & jnp.isfinite(norm)
        moved = _move(task, optimizer, state, grads, aux, rate)
        kept = jax.tree.map(lambda new, old: jnp.where(good, new, old), moved, _learned(state))
        state = state.replace(step=state.step + 1, health=_health(state, grads, good), **kept)
        skipped = 1.0 - good.astype(jnp.float32)
        return state, {**values, "grad_norm": norm, "lr": rate, "skipped": skipped}

    return step


class _Part(NamedTuple):
    """Of some clips: float32 gradients of their mean loss, new aux, and means to be merged."""

    grads: Any
    aux: Any
    means: dict[str, mean.Mean]


def _gradients(task, weighted, state, aux, batch, rng) -> _Part:
    def loss_fn(trained):
        out = task.loss(states.merge(trained, state.frozen), aux, batch, rng)
        return out.loss, out

    grads, out = jax.grad(loss_fn, has_aux=True)(state.params)
    weight = jnp.asarray(out.weight if weighted else 1.0, jnp.float32)
    means = {
        name: value if isinstance(value, mean.Mean) else mean.Mean(value * weight, weight)
        for name, value in {"loss": out.loss, **out.metrics}.items()
    }
    return _Part(states.as_float32(grads), out.aux, means)


def _accumulated(gradients, count, unroll, state, aux, batch, rng) -> _Part:
    """Returns what `gradients` would return of the whole batch, taken in `count` parts."""
    # strided rows, so that every device finds its share of a part among its own rows
    rows = jax.tree.map(lambda x: x.reshape(x.shape[0] // count, count, *x.shape[1:]), batch)

    def body(carry, index):
        total, aux = carry
        part = jax.tree.map(
            lambda x: _spread(jax.lax.dynamic_index_in_dim(x, index, 1, False)), rows
        )
        part = gradients(state, aux, part, jax.random.fold_in(rng, index))
        weight = part.means["loss"].weight
        # a part without weight adds nothing, also where its gradient is not a number
        add = functools.partial(jnp.where, weight > 0)
        total = jax.tree.map(lambda t, g: t + add(weight * g, 0.0), total, part.grads)
        return (total, part.aux), part.means

    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), state.params)
    parts, unrolled = jnp.arange(count), count if unroll else 1
    (total, aux), means = jax.lax.scan(body, (zeros, aux), parts, unroll=unrolled)
    means = jax.tree.map(lambda x: jnp.sum(x, axis=0), means)
    weight = jnp.maximum(means["loss"].weight, 1e-6)
    return _Part(jax.tree.map(lambda g: g / weight, total), aux, means)


def _spread(x: jax.Array) -> jax.Array:
    """Returns the rows of a part split over the devices as those of the batch are: whole but for
    the first dimension."""
    return axes.constrain(x, "batch", *["channels"] * (x.ndim - 1))


def _move(task, optimizer, state, grads, aux, rate):
    old = states.as_float32(state.params)
    direction, opt_state = optimizer.tx.update(grads, state.opt_state, old)
    params = jax.tree.map(
        lambda p, d, rests: (p - rate * d).astype(rests.dtype), old, direction, state.params
    )
    ema = state.ema
    if ema is not None:
        new = states.as_float32(params)
        ema = optax.incremental_update(new, ema, 1.0 - optimizer.ema_decay)
    aux = task.update_aux(aux, states.merge(params, state.frozen), state.step)
    return {"params": params, "opt_state": opt_state, "aux": aux, "ema": ema}


def _learned(state):
    return {name: getattr(state, name) for name in ("params", "opt_state", "aux", "ema")}


def _health(state, grads, good):
    bad_leaf = jnp.stack([~jnp.isfinite(g).all() for g in jax.tree.leaves(grads)])
    leaf = jnp.where(bad_leaf.any(), jnp.argmax(bad_leaf), -1).astype(jnp.int32)
    fresh = state.health.bad == 0
    row = states.NonFiniteGuard(
        bad=state.health.bad + 1,
        first_step=jnp.where(fresh, state.step, state.health.first_step),
        first_leaf=jnp.where(fresh, leaf, state.health.first_leaf),
    )
    well = states.NonFiniteGuard(jnp.int32(0), jnp.int32(-1), jnp.int32(-1))
    return jax.tree.map(lambda a, b: jnp.where(good, a, b), well, row)
