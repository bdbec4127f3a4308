"""Sizes of GMFlow with refinement."""

import dataclasses

from daflow_jax import ranges

WIDTH = (1, 65536)  # channels


@dataclasses.dataclass(frozen=True)
class GMFlowConfig:
    """One GMFlow that matches at 1/8 and refines at 1/4 of the size (Xu et al., CVPR 2022, sec. 3).

    Every pair holds one value for each of the two sizes, the smaller one first.

    Attributes:
        widths: channels of the encoder's three stages; the last is that of all features.
        blocks: of the transformer, each a layer of self attention and one of cross attention.
        expansion: hidden channels of the feed-forward part, times its input.
        splits: windows per side in which attention looks; 1 is the whole map.
        radii: of the matching, in pixels of the map; -1 is the whole map.
        propagation: radius of the self attention that spreads the flow; -1 is the whole map.
        upsampling: hidden channels of the layers that weigh the upsampling.
    """

    widths: tuple[int, int, int] = (64, 96, 128)
    blocks: int = 6
    expansion: int = 4
    splits: tuple[int, int] = (2, 8)
    radii: tuple[int, int] = (-1, 4)
    propagation: tuple[int, int] = (-1, 1)
    upsampling: int = 256

    multiple = 32
    minimum = 64
    stride = 4
    frames = 2
    uncertainty = False

    def __post_init__(self):
        sizes = dict(widths=WIDTH, upsampling=WIDTH, blocks=(1, 64), expansion=(1, 64))
        windows = dict(splits=(1, 8), radii=(-1, 64), propagation=(-1, 64))
        ranges.check(self, **sizes, **windows)
        for name in ("radii", "propagation"):
            if 0 in getattr(self, name):
                raise ranges.wrong(
                    name, getattr(self, name), "Use -1 for the whole map, or 1 to 64"
                )
        if any(split & (split - 1) for split in self.splits):
            raise ranges.wrong("splits", self.splits, "Use 1, 2, 4 or 8")
        if self.splits[0] > 4:
            raise ranges.wrong("splits", self.splits, "Use 1, 2 or 4 for the first")
        if self.widths[2] % 4:
            raise ranges.wrong("widths", self.widths, "Use a multiple of 4 for the last")


VARIANTS = {
    "gmflow": GMFlowConfig(),
    "gmflow-nano": GMFlowConfig(
        widths=(16, 24, 32), blocks=2, expansion=2, splits=(1, 4), upsampling=32
    ),
}
