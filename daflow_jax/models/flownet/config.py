"""Sizes of FlowNetS and FlowNetC."""

import dataclasses

from daflow_jax import ranges

WIDTH = (1, 65536)  # channels


@dataclasses.dataclass(frozen=True)
class FlowNetConfig:
    """One FlowNet (Dosovitskiy et al., ICCV 2015), as FlowNet2's PyTorch code has it.

    Attributes:
        correlation: whether each frame has an encoder of its own and their features are correlated
            (FlowNetC), or both enter one encoder together (FlowNetS).
        widths: channels of the encoder at 1/2 to 1/64 of the size.
        redirected: channels of the first frame's features that go past the correlation.
        radius, spacing: of the displacements that are correlated, in pixels of the 1/8 grid.
        decoder: channels of the transposed convolutions, from 1/32 to 1/4.
        up_bias: whether the layers that enlarge flow have a bias; it is so in FlowNetC.
    """

    correlation: bool = False
    widths: tuple[int, int, int, int, int, int] = (64, 128, 256, 512, 512, 1024)
    redirected: int = 32
    radius: int = 20
    spacing: int = 2
    decoder: tuple[int, int, int, int] = (512, 256, 128, 64)
    up_bias: bool = False

    multiple = 64
    minimum = 64
    stride = 4
    frames = 2
    uncertainty = False
    objective = "flownet_l2"  # of training, unless the task names another

    def __post_init__(self):
        sizes = dict(widths=WIDTH, redirected=WIDTH, decoder=WIDTH)
        ranges.check(self, **sizes, radius=(1, 64), spacing=(1, 8))


VARIANTS = {
    "flownet-s": FlowNetConfig(),
    "flownet-c": FlowNetConfig(correlation=True, up_bias=True),
    "flownet-nano": FlowNetConfig(
        correlation=True,
        up_bias=True,
        widths=(16, 24, 32, 48, 48, 64),
        redirected=16,
        radius=8,
        decoder=(48, 32, 24, 16),
    ),
}
