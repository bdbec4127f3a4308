"""Sizes of SPyNet."""

import dataclasses

from daflow_jax import ranges


@dataclasses.dataclass(frozen=True)
class SPyNetConfig:
    """One spatial pyramid network (Ranjan and Black, CVPR 2017).

    Attributes:
        widths: channels between the five 7 x 7 convolutions of every level's network.
        levels: of the pyramid; frames are resized to multiples of 2^(levels - 1), 32, inside.
    """

    widths: tuple[int, int, int, int] = (32, 64, 32, 16)
    levels: int = 6

    multiple = 1
    minimum = 32
    stride = 1
    frames = 2
    uncertainty = False

    def __post_init__(self):
        ranges.check(self, widths=(1, 4096), levels=(1, 8))


VARIANTS = {
    "spynet": SPyNetConfig(),
    "spynet-nano": SPyNetConfig(widths=(8, 8, 8, 8), levels=3),
}
