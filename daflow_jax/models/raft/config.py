"""Sizes of the two published RAFT networks."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class RAFTConfig:
    """One RAFT network.

    Attributes:
        small: the layer plan of RAFT-small: bottleneck encoders, one GRU pass, bilinear upsampling.
        widths: channels of the encoders' stem and three stages.
        features: channels that enter the correlation.
        hidden, context: channels of the recurrent state and of the context.
        levels, radius: correlation pyramid and look-up window.
        lookup: "gather" (fast forward on CPU and GPU) or "matmul" (fast gradient; TPU).
    """

    small: bool = False
    widths: tuple[int, int, int, int] = (64, 64, 96, 128)
    features: int = 256
    hidden: int = 128
    context: int = 128
    levels: int = 4
    radius: int = 4
    lookup: str = "gather"

    family = "raft"
    multiple = 8
    frames = 2
    iters = 12


VARIANTS = {  # sizes of the released code
    "raft": RAFTConfig(),
    "raft-small": RAFTConfig(
        small=True, widths=(32, 32, 64, 96), features=128, hidden=96, context=64, radius=3
    ),
}
