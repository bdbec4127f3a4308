"""What the training loop knows of a task: four functions of arrays and a constructor of
variables.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from daflow_jax.metrics import mean
from daflow_jax.tasks import batch as batches

Tree = Any  # nested dicts of arrays


class LossOut(NamedTuple):
    """What one batch gives.

    loss: the scalar to descend.
    metrics: to log, as means or plain arrays; those of the parts of a batch are averaged.
    aux: the new state of what is no parameter.
    weight: what `loss` counts among those of equally many clips, where it is a mean over fewer
        clips or pixels than there are; it depends on the batch alone.
    """

    loss: Float[Array, ""]
    metrics: Mapping[str, mean.Mean | Array]
    aux: Tree
    weight: Float[Array, ""] | float = 1.0


def whole() -> PartitionSpec | None:
    """Returns the `out_shardings` of a result that every process reads: whole on every device of
    the ambient mesh (None: there is none).
    """
    return None if jax.sharding.get_abstract_mesh().empty else PartitionSpec()


@runtime_checkable
class Network(Protocol):
    """What a task calls: a Linen module, or one under a policy of precision."""

    def init(self, *args: Any, **options: Any) -> Any: ...

    def apply(self, variables: Any, *args: Any, **options: Any) -> Any: ...


@runtime_checkable
class Task(Protocol):
    """The only thing that knows what is learned; every method is pure and all but `pictures` jit.

    `params` is the whole parameter tree (trained and frozen merged); `aux` holds the other
    collections of the module, e.g. {"batch_stats": ...}.
    """

    best: str  # the metric of `evaluate` that chooses the best weights; "-name": smaller wins

    def init(self, rng: jax.Array, batch: batches.Batch) -> dict[str, Tree]:
        """Returns the variables {"params": ..., collection: ...} for batches shaped like
        `batch`.
        """
        ...

    def loss(self, params: Tree, aux: Tree, batch: batches.Batch, rng: jax.Array) -> LossOut:
        """Returns loss, metrics and new aux of one batch."""
        ...

    def evaluate(
        self, params: Tree, aux: Tree, batch: batches.Batch, rng: jax.Array
    ) -> dict[str, mean.Mean]:
        """Returns the metrics as sums with weights, so that batches merge into exact means."""
        ...

    def pictures(
        self, params: Tree, aux: Tree, batch: batches.Batch, rng: jax.Array
    ) -> dict[str, Any]:
        """Returns uint8 pictures (h, w, 3) of the batch's first clip by name (NumPy)."""
        ...

    def update_aux(self, aux: Tree, params: Tree, step: jax.Array) -> Tree:
        """Returns aux after the optimiser's step (identity unless a teacher follows the
        parameters).
        """
        ...
