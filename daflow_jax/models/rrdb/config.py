"""Sizes of the published RRDB networks."""

import dataclasses

from daflow_jax import ranges


@dataclasses.dataclass(frozen=True)
class RRDBConfig:
    """One network of residual-in-residual dense blocks (ESRGAN, Wang et al., ECCVW 2018, sec. 3.1).

    Attributes:
        blocks: residual-in-residual dense blocks, each of three dense blocks.
        width: channels between the blocks.
        growth: channels that each of a dense block's first four convolutions adds.
        taps: blocks, counted from 0, whose output is lent as features unless asked otherwise.
    """

    blocks: int = 23
    width: int = 64
    growth: int = 32
    taps: tuple[int, ...] = (2, 5, 8)

    frames = 1
    multiple = 1
    minimum = 1
    maximum = None
    scale = 4
    reach = 32  # [choice] pixels around a tile; the mean change by tiles is then 0.3 grey levels

    def __post_init__(self):
        ranges.check(self, blocks=(1, 256), width=(1, 1024), growth=(1, 1024))
        unknown = [block for block in self.taps if not 0 <= block < self.blocks]
        if unknown:
            raise ValueError(f"taps: block {unknown[0]} does not exist; there are {self.blocks}")


VARIANTS = {
    "rrdb-x4plus": RRDBConfig(),  # RealESRGAN_x4plus, ESRGAN, RealESRNet_x4plus
    "rrdb-x4plus-6b": RRDBConfig(blocks=6, taps=(1, 3, 5)),  # RealESRGAN_x4plus_anime_6B
    "rrdb-nano": RRDBConfig(blocks=2, width=8, growth=4, taps=(0, 1)),
}
