"""Exact means over a fixed set of batches, whatever their number of devices and padding rows."""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from daflow_jax import ranges, sharding
from daflow_jax.tasks import base
from daflow_jax.train import state as states


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """Every how many steps (0 = only at the end) to evaluate, and on what.

    batches: of a set that does not say its own number.
    sets: named sets, the first of which chooses the best weights
        (`input_pipeline.settings.EvalSource`); empty: held-out clips of the training's own source.
    """

    every: int = 1000
    batches: int = 8
    sets: tuple[Any, ...] = ()

    def __post_init__(self):
        ranges.check(self, every=(0, ranges.COUNT), batches=(1, ranges.COUNT))


# opens the batches: this process's rows of each (NumPy), or whole ones spread over the mesh; all
# batches of a set have one number of clips, and may differ in height and width
EvalSet = Callable[[], Iterable[dict[str, Any]]]


def places(
    count: int, batch_size: int, index: int = 0, parts: int = 1
) -> list[tuple[list[int], list[float]]]:
    """Returns for every batch of `count` clips which ones part `index` of `parts` holds, and their
    weights: 0 for rows that only fill the last batch.
    """
    own, batches = batch_size // parts, []
    for first in range(0, count, batch_size):
        rows = range(first + index * own, first + (index + 1) * own)
        batches.append(
            ([min(row, count - 1) for row in rows], [float(row < count) for row in rows])
        )
    return batches


def place(batch: dict[str, Any], mesh: Mesh) -> dict[str, jax.Array]:
    """Returns the global batch of what an EvalSet yields."""
    spread = all(isinstance(value, jax.Array) for value in batch.values())
    return batch if spread else sharding.place_batch(batch, mesh)


def first_clip(batch: dict[str, Any], mesh: Mesh) -> dict[str, np.ndarray]:
    """Returns the first row of a batch that an EvalSet yields, on every process."""
    return jax.device_get(_first_row(mesh)(place(batch, mesh)))


@functools.lru_cache(maxsize=1)
def _first_row(mesh):
    return jax.jit(
        lambda rows: {key: value[:1] for key, value in rows.items()},
        out_shardings=sharding.replicated(mesh),
    )


class Evaluator:
    """Evaluates a task on named sets, whose batches hold one number of clips (`inputs.pad`)."""

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
            key = jax.random.fold_in(self._key, index)
            part = jax.device_get(self._jitted(variables, place(batch, self._mesh), key))
            total = part if total is None else {k: total[k].merge(part[k]) for k in part}
        return {key: float(value.compute()) for key, value in (total or {}).items()}


def better(metric: str, new: float, old: float | None) -> bool:
    """Returns whether `new` beats `old`; a leading "-" of the name says that smaller is better."""
    if old is None:
        return True
    return new < old if metric.startswith("-") else new > old


def _apart(variables):
    return variables["params"], {name: tree for name, tree in variables.items() if name != "params"}
