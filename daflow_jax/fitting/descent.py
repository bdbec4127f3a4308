"""Descent on batches that are functions of (seed, step), with a state that is saved on the way."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from daflow_jax.fitting import checkpoint

EVERY = 60.0  # [choice] seconds between saved states
Log = Callable[[str], None]


class State(NamedTuple):
    """params: what is fitted. moments: Adam's."""

    params: Any
    moments: Any


class Plan(NamedTuple):
    """How a fit descends.

    loss: (params, batch, step) -> (scalar, metrics by name). batch: step -> arrays. rates: learning
    rate by the first part of a parameter's path; "" is that of all others. halve: steps after which
    rates are halved, again and again; 0 never. settings: what the result depends on.
    """

    loss: Callable[[Any, Any, jax.Array], tuple[jax.Array, dict[str, jax.Array]]]
    batch: Callable[[int], Any]
    steps: int
    rates: Mapping[str, float]
    halve: int = 0
    settings: Mapping[str, Any] = {}


def run(
    plan: Plan,
    params: Any,
    file: Path | None = None,
    log: Log = lambda line: None,
    progress: Callable[[], None] = lambda: None,
) -> Any:
    """Returns the fitted parameters.

    Args:
        file: where the state is kept; a fit that was interrupted goes on from it, and ends as if it
            had not been (on the same machine, to the bit).

    A step whose loss or gradient is not finite changes nothing.
    """
    adam = optax.scale_by_adam()
    state, first, settings = State(params, adam.init(params)), 0, dict(plan.settings)
    if file is not None and (found := checkpoint.restore(file, state, settings)) is not None:
        state, first = found
        log(f"goes on from step {first} of {plan.steps}")
    step, saved = jax.jit(_step(plan, adam)), time.monotonic()
    for number in range(first, plan.steps):
        state, losses = step(state, plan.batch(number), jnp.int32(number))
        progress()
        if (number + 1) % max(plan.steps // 10, 1) == 0:
            shown = {k: float(v) for k, v in jax.device_get(losses).items()}
            text = "  ".join(f"{k} {v:.4g}" for k, v in shown.items())
            log(f"step {number + 1}/{plan.steps}  {text}")
        if file is not None and time.monotonic() - saved > EVERY:
            checkpoint.save(file, jax.device_get(state), number + 1, settings)
            saved = time.monotonic()
    if file is not None:
        checkpoint.save(file, jax.device_get(state), plan.steps, settings)
    return state.params


def _step(plan: Plan, adam: optax.GradientTransformation) -> Callable[..., Any]:
    def rate(path, step):
        value = plan.rates.get(str(path[0].key), plan.rates.get("", 0.0))
        return value * 0.5 ** (step // plan.halve) if plan.halve else value

    def advance(state, batch, step):
        (loss, metrics), grads = jax.value_and_grad(plan.loss, has_aux=True)(
            state.params, batch, step
        )
        direction, moments = adam.update(grads, state.moments)
        params = jax.tree_util.tree_map_with_path(
            lambda path, p, d: p - rate(path, step) * d, state.params, direction
        )
        good = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(grads))
        new = State(params, moments)
        kept = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, state)
        return kept, {"loss": loss, **metrics}

    return advance
