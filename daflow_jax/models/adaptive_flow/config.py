"""Sizes of a flow network whose weights change with how degraded a clip is."""

import dataclasses
from typing import Any

from daflow_jax import ranges
from daflow_jax.models.flow_sizes import FlowSizes
from daflow_jax.models.raft.config import VARIANTS as RAFTS
from daflow_jax.models.raft.config import WIDTH


@dataclasses.dataclass(frozen=True)
class AdaptiveFlowConfig(FlowSizes):
    """A flow network, the change of its weights, and a gate that says how much of it is added.

    Attributes:
        flow: configuration of a flow network that refines its flow ("raft").
        rank: of the two factors that each kernel's change is stored as; a weight that factors would
            not make smaller keeps its whole change.
        widths: channels of the gate's convolutions; each but the first halves the size.
    """

    flow: Any
    rank: int = 16
    widths: tuple[int, ...] = (16, 32, 48, 64)

    frames = 2

    def __post_init__(self):
        ranges.check(self, rank=(1, 4096), widths=WIDTH)

    @property
    def iters(self) -> int:
        """Refinement steps unless asked otherwise."""
        return self.flow.iters


VARIANTS = {
    "raft-adaptive": AdaptiveFlowConfig(dataclasses.replace(RAFTS["raft"], uncertainty=True)),
    "raft-small-adaptive": AdaptiveFlowConfig(RAFTS["raft-small"]),
}
