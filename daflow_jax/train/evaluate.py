"""Exact means over a fixed set of batches, whatever their number of devices and padding rows."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import jax
from jax.sharding import Mesh

from daflow_jax import sharding
from daflow_jax.tasks import base
from daflow_jax.train import state as states


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """Every how many steps (0 = only at the end) to evaluate on `batches` held-out batches."""

    every: int = 1000
    batches: int = 8


EvalSet = Callable[[], Iterable[dict[str, Any]]]  # opens this process's rows, batch by batch


class Evaluator:
    """Evaluates a task on named sets; batches must be padded to one size (`batch.pad`)."""

    def __init__(self, task: base.Task, sets: dict[str, EvalSet], mesh: Mesh, seed: int = 0):
        self._sets, self._mesh, self._key = sets, mesh, jax.random.key(seed)
        self._jitted = jax.jit(
            lambda variables, rows, rng: task.evaluate(*_apart(variables), rows, rng),
            out_shardings=sharding.replicated(mesh),
        )

    def __call__(self, state: states.TrainState) -> dict[str, dict[str, float]]:
        """Returns {set: {metric: mean}} for the weights that would be exported now."""
        variables = states.variables(state)
        return {name: self._mean(variables, rows()) for name, rows in self._sets.items()}

    def _mean(self, variables, rows) -> dict[str, float]:
        total = None
        for index, batch in enumerate(rows):
            placed = sharding.place_batch(batch, self._mesh)
            part = self._jitted(variables, placed, jax.random.fold_in(self._key, index))
            merged = part if total is None else {k: total[k].merge(part[k]) for k in part}
            total = jax.block_until_ready(merged)
        return {key: float(value.compute()) for key, value in (total or {}).items()}


def better(metric: str, new: float, old: float | None) -> bool:
    """Returns whether `new` beats `old`; the name's leading "-" says that smaller is better."""
    if old is None:
        return True
    return new < old if metric.startswith("-") else new > old


def _apart(variables):
    return variables["params"], {name: tree for name, tree in variables.items() if name != "params"}
