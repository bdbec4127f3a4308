"""Sizes of DA-Flow: a restoration backbone, a RAFT, and the heads between them."""

import dataclasses
import math
from typing import Literal

from daflow_jax import ranges
from daflow_jax.models.dit4sr.config import VARIANTS as RESTORERS
from daflow_jax.models.dit4sr.config import RestorerConfig
from daflow_jax.models.flow_sizes import FlowSizes
from daflow_jax.models.raft.config import VARIANTS as RAFTS
from daflow_jax.models.raft.config import WIDTH, RAFTConfig


@dataclasses.dataclass(frozen=True)
class DAFlowConfig(FlowSizes):
    """One DA-Flow network (DA-Flow, sec. 4.4).

    Attributes:
        backbone: the restorer whose queries and keys are read.
        flow: the RAFT that refines the flow; its weights may come from a released checkpoint.
        matching_features, context_features: outputs of the query and key heads, and of the
            context head.
        channels: what the heads bring the four tapped layers to, shallow to deep.
        corr_norm: "split" scales the image part and the query-key part of the correlation each by
            the root of its own channels, so that the image part is RAFT's; "joint" by the root of
            their sum (DA-Flow's text read literally).
    """

    backbone: RestorerConfig
    flow: RAFTConfig
    matching_features: int = 256
    context_features: int = 128
    channels: tuple[int, ...] = (256, 512, 1024, 1024)
    corr_norm: Literal["split", "joint"] = "split"

    frames = 3
    iters = 12

    def __post_init__(self):
        ranges.check(self, matching_features=WIDTH, context_features=WIDTH, channels=WIDTH)

    @property
    def multiple(self) -> int:
        """Height and width of frames must be multiples of this (both parts' grids)."""
        return math.lcm(self.flow.multiple, self.backbone.multiple)


VARIANTS = {
    "daflow-nano": DAFlowConfig(
        RESTORERS["restorer-nano"],
        RAFTS["raft-small"],
        matching_features=64,
        context_features=32,
        channels=(64, 64, 64, 64),
    ),  # [choice] heads sized to the backbone's 128 channels
    "daflow-small": DAFlowConfig(
        RESTORERS["restorer-small"],
        RAFTS["raft"],
        matching_features=128,
        context_features=64,
        channels=(128, 128, 256, 256),
    ),  # [choice]
    "daflow-base": DAFlowConfig(RESTORERS["restorer-base"], RAFTS["raft"]),  # DA-Flow, appendix A
}
