"""What the training loop knows of a task: its inputs, and a few functions of arrays."""

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from daflow_jax.metrics import mean
from daflow_jax.tasks import inputs as declared
from daflow_jax.tasks.inputs import Batch, Inputs

Tree = Any  # nested dicts of arrays
WORK_UNITS = ("pair", "clip", "image")


class LossOut(NamedTuple):
    """What one batch gives.

    loss: the scalar to descend.
    metrics: to log, as means or plain arrays; those of the parts of a batch are averaged.
    aux: the new state of what is not a parameter.
    weight: what `loss` counts among those of equally many clips, where it is a mean over fewer
        clips or pixels than there are; it depends on the batch alone.
    """

    loss: Float[Array, ""]
    metrics: Mapping[str, mean.Mean | Array]
    aux: Tree
    weight: Float[Array, ""] | float = 1.0


@runtime_checkable
class Network(Protocol):
    """What a task calls: a Linen module, or one under a policy of precision."""

    def init(self, *args: Any, **options: Any) -> Any: ...

    def apply(self, variables: Any, *args: Any, **options: Any) -> Any: ...


@runtime_checkable
class Task(Protocol):
    """The only thing that knows what is learned; every method is pure and all but `pictures` and
    `exported` jit. `BaseTask` has defaults for most of it.

    `params` is the whole parameter tree (trained and frozen merged); `aux` holds everything else,
    e.g. {"batch_stats": ...} or the parameters of a teacher.
    """

    best: str  # the metric of `evaluate` that chooses the best weights; "-name": smaller wins
    work_unit: str  # what the speed of a run counts, one of WORK_UNITS

    @property
    def inputs(self) -> Inputs:
        """What a batch holds, by name."""
        ...

    def init(self, rng: jax.Array, batch: Batch) -> dict[str, Tree]:
        """Returns the variables {"params": ..., collection: ...} for batches shaped like
        `batch`.
        """
        ...

    def loss(self, params: Tree, aux: Tree, batch: Batch, rng: jax.Array) -> LossOut:
        """Returns loss, metrics and new aux of one batch."""
        ...

    def evaluate(
        self, params: Tree, aux: Tree, batch: Batch, rng: jax.Array
    ) -> dict[str, mean.Mean]:
        """Returns the metrics as sums with weights, so that batches merge into exact means."""
        ...

    def pictures(
        self, params: Tree, aux: Tree, batch: Batch, rng: jax.Array
    ) -> dict[str, np.ndarray]:
        """Returns uint8 pictures (h, w, 3) of the batch's first clip by name."""
        ...

    def update_aux(self, aux: Tree, params: Tree, step: jax.Array) -> Tree:
        """Returns aux after the optimiser's step, such as a teacher that follows the parameters."""
        ...

    def exported(self, params: Tree, aux: Tree) -> dict[str, dict[str, Tree]]:
        """Returns the variables of every model folder that a run leaves, by name.

        "" is export/best and "teacher" export/best-teacher. A name that is a network field of the
        task has that network's configuration, every other one that of `module`.
        """
        ...


class BaseTask:
    """Defaults of a task: clips are counted, there is nothing to see and no teacher, and the
    network alone is exported (`params` and the collections of `aux` that it has).
    """

    work_unit = "clip"

    def pictures(self, params, aux, batch, rng) -> dict[str, np.ndarray]:
        """Returns no pictures."""
        return {}

    def update_aux(self, aux, params, step):
        """Returns `aux` as it is."""
        return aux

    def exported(self, params, aux) -> dict[str, dict[str, Tree]]:
        """Returns the parameters and all of `aux` as one model; collections that its network does
        not have are left out where the folder is written.
        """
        return {"": {"params": params, **aux}}


def network_fields(kind: type) -> tuple[str, ...]:
    """Returns the fields of a task's dataclass that are networks, by their annotation."""
    if not dataclasses.is_dataclass(kind):
        return ()
    return tuple(
        field.name
        for field in dataclasses.fields(kind)
        if field.type is Network or Network in typing.get_args(field.type)
    )


def units(task: Task, batch: Batch) -> int:
    """Returns how many of the task's work units a clip of `batch` holds."""
    frames = declared.sizes(task.inputs, batch).get("f", 1)
    counts = {"pair": max(frames - 1, 1), "image": frames, "clip": 1}
    if task.work_unit not in counts:
        raise ValueError(f"work_unit is {task.work_unit!r}; write one of {', '.join(WORK_UNITS)}")
    return counts[task.work_unit]


def whole() -> PartitionSpec | None:
    """Returns the `out_shardings` of a result that every process reads: whole on every device of
    the ambient mesh (None: there is none).
    """
    return None if jax.sharding.get_abstract_mesh().empty else PartitionSpec()


def run_whole(function: Callable[..., Any], task: Any, *args: Any) -> Any:
    """Returns function(task, *args), compiled once for a task, whole on every device."""
    return _compiled(function, task, whole())(*args)


@functools.lru_cache(maxsize=8)
def _compiled(function, task, place):
    return jax.jit(functools.partial(function, task), out_shardings=place)
