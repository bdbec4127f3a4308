"""One update of the state, the same for every task."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from daflow_jax.tasks import base
from daflow_jax.train import optimizer as optimizers
from daflow_jax.train import state as states

Metrics = dict[str, jax.Array]
NAMES = ("grad_norm", "lr", "skipped")  # metrics of every task
Step = Callable[[states.TrainState, dict], tuple[states.TrainState, Metrics]]


def make_step(task: base.Task, optimizer: optimizers.Optimizer) -> Step:
    """Returns the pure function (state, batch) -> (state, metrics).

    Where loss or gradient norm is not finite nothing is learned from the batch: all but the step
    count and `health` stays as it was, and the metric `skipped` is 1.
    """

    def step(state, batch):
        rng = jax.random.fold_in(state.rng, state.step)

        def loss_fn(trained):
            out = task.loss(states.merge(trained, state.frozen), state.aux, batch, rng)
            return out.loss, out

        grads, out = jax.grad(loss_fn, has_aux=True)(state.params)
        norm = optax.tree.norm(grads)
        rate = optimizer.rate(state.step)
        good = jnp.isfinite(out.loss) & jnp.isfinite(norm)
        moved = _move(task, optimizer, state, grads, out.aux, rate)
        kept = jax.tree.map(lambda new, old: jnp.where(good, new, old), moved, _learned(state))
        state = state.replace(step=state.step + 1, health=_health(state, grads, good), **kept)
        skipped = 1.0 - good.astype(jnp.float32)
        metrics = {
            "loss": out.loss,
            **out.metrics,
            "grad_norm": norm,
            "lr": rate,
            "skipped": skipped,
        }
        return state, metrics

    return step


def _move(task, optimizer, state, grads, aux, rate):
    direction, opt_state = optimizer.tx.update(grads, state.opt_state, state.params)
    params = jax.tree.map(lambda p, d: p - (rate * d).astype(p.dtype), state.params, direction)
    ema = state.ema
    if ema is not None:
        ema = optax.incremental_update(params, ema, 1.0 - optimizer.ema_decay)
    aux = task.update_aux(aux, states.merge(params, state.frozen), state.step)
    return {"params": params, "opt_state": opt_state, "aux": aux, "ema": ema}


def _learned(state):
    return {name: getattr(state, name) for name in ("params", "opt_state", "aux", "ema")}


def _health(state, grads, good):
    bad_leaf = jnp.stack([~jnp.isfinite(g).all() for g in jax.tree.leaves(grads)])
    leaf = jnp.where(bad_leaf.any(), jnp.argmax(bad_leaf), -1).astype(jnp.int32)
    fresh = state.health.bad == 0
    row = states.Health(
        bad=state.health.bad + 1,
        first_step=jnp.where(fresh, state.step, state.health.first_step),
        first_leaf=jnp.where(fresh, leaf, state.health.first_leaf),
    )
    well = states.Health(jnp.int32(0), jnp.int32(-1), jnp.int32(-1))
    return jax.tree.map(lambda a, b: jnp.where(good, a, b), well, row)
