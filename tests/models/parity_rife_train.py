"""Two training steps of the paper's RIFE against the published code: losses, gradients, AdamW."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import tasks
from daflow_jax.convert import engine
from daflow_jax.train import optimizer, step
from daflow_jax.train import state as states
from tests.models import published_rife as published
from tests.models.parity import Row
from tests.train.parity_train import _norms, _noted

INPUTS = ("image0", "image1", "target")
START, STEPS = 1000, 300_000  # of the fixture's two rates, which are in the warm-up
# relative, for the first and the second step, whose gradients differ by the first's rounding: of
# single tensors ten times the published code's own float32 error
LOSS, DISTILL, TOTAL = (1e-5, 2e-4), (1e-5, 2e-3), 1e-3
GRADIENTS, UPDATES = (5e-3, 6e-2), (2.3e-2, 9.4e-2)
PARAMETERS, HEAD = 1e-4, 8e-4


def rows(part: str) -> Iterator[Row]:
    """Yields a row for every array of rife_train."""
    golden = published.fixture(f"rife_train_{part}")
    module, variables = published.load("rife", part)
    task = tasks.Interpolation(module, augment=False)
    settings = optimizer.OptimizerConfig(
        lr=3e-4, schedule="from_zero", warmup_steps=2000, weight_decay=1e-3, clip_norm=math.inf
    )
    opt = optimizer.make_optimizer(settings, STEPS)
    opt = opt._replace(tx=_noted(opt.tx))
    fresh = states.create(variables, jax.random.key(0), opt)
    state = dataclasses.replace(cast(Any, fresh), step=jnp.int32(START))
    update = jax.jit(step.make_step(task, opt))
    frames = [golden[key].astype(np.float32) / 255 for key in ("image0", "target", "image1")]
    batch = {"hq": jnp.asarray(np.stack(frames, 1))}
    paths = [published.path_of(name) for name in published.names("rife")["named_parameters"]]
    decided = np.ones(len(paths), bool)  # and still so after both steps
    for number in (1, 2):
        new, metrics = update(state, batch)
        yield from _step_rows(golden, number, metrics, state, new, paths, decided)
        state = new


def _step_rows(golden, number, metrics, old, new, paths, decided) -> Iterator[Row]:
    at = number - 1
    grads = engine.flatten(jax.device_get(new.opt_state[0]))
    before, after = (engine.flatten(jax.device_get(s.params)) for s in (old, new))
    change = {path: after[path].astype(np.float64) - before[path] for path in after}
    figures = {
        "loss": (metrics["loss"], LOSS[at]),
        "loss_lap": (metrics["laplacian"], LOSS[at]),
        "loss_lap_tea": (metrics["teacher"], LOSS[at]),
        "loss_distill": (metrics["distillation"], DISTILL[at]),
        "lr": (metrics["lr"], 1e-6),
        "total_grad_norm": (metrics["grad_norm"], TOTAL),
        "grad_norms": (_norms(grads, paths), GRADIENTS[at]),
        "update_norms": (_norms(change, paths), UPDATES[at]),
        "param_norms_after": (_norms(after, paths), PARAMETERS),
    }
    decided &= [_is_decided(grads[path], before[path], float(metrics["lr"])) for path in paths]
    for key, (ours, bound) in figures.items():
        theirs = golden[f"{key}_step{number}"]
        if key == "param_norms_after":
            ours, theirs = ours[decided], theirs[decided]
        yield Row(f"{key}_step{number}", ours, theirs, bound, "relative")
    if number == 1:
        heads = np.stack([_head(path, grads[path]) for path in paths])
        yield Row("grad_head8", heads, golden["grad_head8"], HEAD)


def _is_decided(gradient: np.ndarray, values: np.ndarray, rate: float) -> bool:
    """Returns whether float32 decides the norm after a step.

    Adam's first step is the sign of the gradient, and entries whose gradient is below a thousandth
    of the largest may have either sign; in a small tensor one of them moves the norm.
    """
    open_ = np.abs(gradient) < 1e-3 * np.abs(gradient).max()
    moved = 2 * rate * np.sqrt(np.sum(np.square(values[open_], dtype=np.float64)))
    return moved / np.sum(np.square(values, dtype=np.float64)) < PARAMETERS / 2


def _head(path: str, gradient: np.ndarray) -> np.ndarray:
    """Returns the first eight entries in the published order of axes."""
    if gradient.ndim == 4:
        turned = "lastconv" in path or "/up" in path
        gradient = gradient.transpose((2, 3, 0, 1) if turned else (3, 2, 0, 1))
    return np.resize(np.pad(gradient.ravel(), (0, 8)), 8)
