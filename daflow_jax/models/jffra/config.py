"""Sizes of JFFRA networks.

No code was published. The text fixes the order of the operations in a block; sizes follow the
seven stages of VRT, which the text compares itself with (docs/video_restoration.md).
"""

import dataclasses
from typing import Literal

from daflow_jax import ranges

WIDTH = (1, 4096)  # channels


@dataclasses.dataclass(frozen=True)
class BlockConfig:
    """One refinement block.

    Attributes:
        heads: of the attention; they divide the channels.
        window: side of the attention's windows in pixels (8 in the text).
        radius: of the local correlation in pixels (4 in the text: 81 costs).
        head: channels inside of the flow head.
        norm: LayerNorm before the projections; the text has none.
        queries: "reference" refines the features of the frame that is restored alone; "all" also
            adds the residuals of the neighbours, found in the reference's coordinates, to them.
        alignment: "refined" flow, the "fixed" start, or "none": neighbours as they are.
    """

    heads: int = 4
    window: int = 8
    radius: int = 4
    head: tuple[int, ...] = (64, 32)
    norm: bool = True
    queries: Literal["reference", "all"] = "reference"
    alignment: Literal["refined", "fixed", "none"] = "refined"

    def __post_init__(self):
        ranges.check(self, heads=(1, 256), window=(1, 256), radius=(1, 64), head=WIDTH)


@dataclasses.dataclass(frozen=True)
class JFFRAConfig:
    """One JFFRA network.

    Attributes:
        channels: of the scales 1, 1/2, 1/4, ...
        temporal: 3 x 3 x 3 convolutions over the frames before the first block.
        block: of every scale.
        encoder_blocks: whether the way down has blocks too, or the way up alone.
        resampling: "shuffle" (pixels to channels and back, VRT) or "conv" (stride 2, bilinear).
        finest_cost: the finest scale at which flow is refined, as a divisor of the size.
        scale: of the result's side to the input's, 1 or 4.
        noise_map: the noise level is a fourth channel of the frames (non-blind denoising).
        start: architecture of the flow network that gives the start flow ("raft", any flow model);
            "": no flow network, the blocks start from zero flow unless another is given.
        frames: 2N + 1; the one in the middle is restored.
    """

    channels: tuple[int, ...] = (64, 96, 128, 128)
    temporal: int = 2
    block: BlockConfig = BlockConfig()
    encoder_blocks: bool = True
    resampling: Literal["shuffle", "conv"] = "shuffle"
    finest_cost: int = 1
    scale: int = 1
    noise_map: bool = False
    start: str = "raft"
    frames: int = 3

    maximum = None

    def __post_init__(self):
        ranges.check(self, channels=WIDTH, temporal=(1, 16), frames=(3, 65))
        ranges.check(self, finest_cost=(1, 2 ** (len(self.channels) - 1)))
        if self.scale not in (1, 4):
            raise ValueError(f"scale is {self.scale}; use 1 or 4")
        if self.frames % 2 == 0:
            raise ValueError(f"frames is {self.frames}; use an odd number, the middle is restored")
        for width in self.channels:
            if width % self.block.heads:
                raise ValueError(f"{width} channels do not divide over {self.block.heads} heads")

    @property
    def multiple(self) -> int:
        """Height and width are multiples of this, in pixels: one window at the coarsest scale."""
        return self.block.window * 2 ** (len(self.channels) - 1)

    @property
    def minimum(self) -> int:
        """Smallest height and width in pixels."""
        return self.multiple

    @property
    def context(self) -> int:
        """Frames on each side that the restoration of one frame reads."""
        return self.frames // 2


_NANO = JFFRAConfig(
    channels=(12, 24, 32),
    temporal=1,
    block=BlockConfig(heads=2, head=(48, 32)),
    encoder_blocks=False,
    resampling="conv",
    finest_cost=2,
    start="",
)  # [choice] a quarter of a million parameters, no flow network

VARIANTS = {
    "jffra": JFFRAConfig(),
    "jffra-x4": JFFRAConfig(scale=4),
    "jffra-nano": _NANO,
    "jffra-nano-x4": dataclasses.replace(_NANO, scale=4),
}
