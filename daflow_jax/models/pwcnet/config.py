"""Sizes of PWC-Net."""

import dataclasses

from daflow_jax import ranges

WIDTH = (1, 65536)  # channels


@dataclasses.dataclass(frozen=True)
class PWCNetConfig:
    """One PWC-Net with dense decoders and a context network (Sun et al., CVPR 2018, sec. 3).

    Attributes:
        widths: channels of the pyramid's levels 1 to 6, at 1/2 to 1/64 of the size.
        decoder: channels that the five convolutions of every decoder add.
        context: channels of the context network's hidden convolutions, the last one before flow.
        radius: of the correlation, in pixels of each level.
        align_corners: how features are warped. The published weights were trained with True; the
            published code, run with PyTorch from 1.3 on, takes False.
    """

    widths: tuple[int, int, int, int, int, int] = (16, 32, 64, 96, 128, 196)
    decoder: tuple[int, int, int, int, int] = (128, 128, 96, 64, 32)
    context: tuple[int, int, int, int, int, int] = (128, 128, 128, 96, 64, 32)
    radius: int = 4
    align_corners: bool = True

    multiple = 64
    minimum = 64
    stride = 4
    frames = 2
    uncertainty = False
    objective = "pwcnet_l2"  # of training, unless the task names another

    def __post_init__(self):
        sizes = dict(widths=WIDTH, decoder=WIDTH, context=WIDTH)
        ranges.check(self, **sizes, radius=(1, 64))


VARIANTS = {
    "pwcnet": PWCNetConfig(),
    "pwcnet-nano": PWCNetConfig(
        widths=(8, 16, 24, 32, 32, 32),
        decoder=(32, 32, 24, 16, 16),
        context=(32, 32, 32, 24, 16, 16),
    ),
}
