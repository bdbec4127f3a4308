"""Sizes of a RAFT with a second cost volume, and where its descriptors come from."""

import dataclasses
from typing import Any, Literal

from daflow_jax import ranges
from daflow_jax.models.flow_sizes import FlowSizes
from daflow_jax.models.raft.config import VARIANTS as RAFTS
from daflow_jax.models.raft.config import WIDTH, RAFTConfig
from daflow_jax.ops import window_sides


@dataclasses.dataclass(frozen=True)
class LiftConfig:
    """A transformer that restores the features of degraded frames, all frames of a clip together.

    Attributes:
        depth: blocks; 0 means that there is no such network.
        width, heads: of the tokens; each head rotates its queries and keys by place and frame.
        attention: "clip", over all frames, or "frame", each frame by itself (the control).
        diffusion: the clean features are predicted from noise too, in one step at inference.
    """

    depth: int = 0
    width: int = 192
    heads: int = 6
    attention: Literal["clip", "frame"] = "clip"
    diffusion: bool = False

    def __post_init__(self):
        ranges.check(self, depth=(0, 64), width=WIDTH, heads=(1, 1024))
        if self.width % (8 * self.heads):
            remedy = f"Use a multiple of {8 * self.heads}, 8 times heads"
            raise ranges.wrong("width", self.width, remedy)


@dataclasses.dataclass(frozen=True)
class DAFlowCostConfig(FlowSizes):
    """One network: RAFT, and a cost volume of descriptors with an input of its own.

    Attributes:
        flow: the RAFT; its weights may come from a released checkpoint.
        windows: sides in pixels of averaged windows around each place; no network is needed.
        trunk: configuration of a network that lends features (`Entry.taps`), frozen most often.
        taps: which of them: "5" is block 5, "5/hidden" a kind of its features.
        shrink: frames are averaged to 1/shrink of their sides before the trunk; 4 gives a x4
            restorer frames of the size that it enlarges from.
        lift: restores the features of RAFT's own encoder.
        other_frame: the volume is that of RAFT's own features with a third frame of the clip.
        channels: principal directions that descriptors of windows and taps are brought to.
        branch: channels of the new input's first convolution; 0 means as many as RAFT's own.
    """

    flow: RAFTConfig
    windows: tuple[int, ...] = ()
    trunk: Any = None
    taps: tuple[str, ...] = ()
    shrink: int = 1
    lift: LiftConfig = LiftConfig()
    other_frame: bool = False
    channels: int = 64
    branch: int = 0

    iters = 12

    def __post_init__(self):
        ranges.check(
            self, windows=(5, 512), shrink=(1, 64), channels=WIDTH, branch=(0, 65536)
        )  # fmt: skip
        for side in self.windows:
            window_sides.check(self.flow.stride, side)
        if self.flow.stride % self.shrink:
            raise ranges.wrong("shrink", self.shrink, f"Use a divisor of {self.flow.stride}")
        if bool(self.taps) != (self.trunk is not None):
            raise ValueError("taps and trunk go together; name both or none")
        sources = (bool(self.windows or self.taps), bool(self.lift.depth), self.other_frame)
        if not any(sources):
            raise ValueError("windows: no source of descriptors; name windows, taps or lift")
        if self.other_frame and any(sources[:2]):
            raise ValueError("other_frame: reads RAFT's own features; leave out other sources")

    @property
    def frames(self) -> int:
        """Frames of the clips that it sees."""
        return 3 if self.lift.depth or self.other_frame else 2


_SMALL = RAFTS["raft-small"]
VARIANTS = {
    "daflow-cost-windows": DAFlowCostConfig(_SMALL, windows=(20, 40)),
    "daflow-cost-lift": DAFlowCostConfig(_SMALL, windows=(20, 40), lift=LiftConfig(depth=4)),
    "daflow-cost-frame": DAFlowCostConfig(_SMALL, other_frame=True),
    "daflow-cost-large": DAFlowCostConfig(RAFTS["raft"], windows=(20, 40)),
}
