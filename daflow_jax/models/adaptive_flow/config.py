"""Sizes of a flow network with two sets of weights."""

import dataclasses
from typing import Any

from daflow_jax import ranges
from daflow_jax.models.flow_sizes import FlowSizes
from daflow_jax.models.raft.config import VARIANTS as RAFTS
from daflow_jax.models.raft.config import WIDTH


@dataclasses.dataclass(frozen=True)
class AdaptiveFlowConfig(FlowSizes):
    """One flow network, twice, and the small network that says how degraded a clip is.

    Attributes:
        flow: configuration of a flow network that refines its flow ("raft").
        widths: channels of the small network's convolutions; each but the first halves the size.
    """

    flow: Any
    widths: tuple[int, ...] = (16, 32, 48, 64)

    frames = 2

    def __post_init__(self):
        ranges.check(self, widths=WIDTH)

    @property
    def iters(self) -> int:
        """Refinement steps unless asked otherwise."""
        return self.flow.iters


VARIANTS = {
    name: AdaptiveFlowConfig(dataclasses.replace(RAFTS[inner], uncertainty=uncertainty))
    for name, inner, uncertainty in (
        ("raft-adaptive", "raft", True),
        ("raft-small-adaptive", "raft-small", False),
    )
}
