"""Sizes of BasicVSR."""

import dataclasses

from daflow_jax import ranges
from daflow_jax.models.spynet.config import VARIANTS as SPYNET
from daflow_jax.models.spynet.config import SPyNetConfig


@dataclasses.dataclass(frozen=True)
class BasicVSRConfig:
    """One BasicVSR network (Chan et al., CVPR 2021).

    Attributes:
        width: channels of the states.
        blocks: residual blocks of each direction.
        spynet: the network that aligns neighbours.
    """

    width: int = 64
    blocks: int = 30
    spynet: SPyNetConfig = SPyNetConfig()

    frames = 10  # [choice] restored at once; 5 more are looked at
    multiple = 1
    minimum = 32
    maximum = None
    scale = 4
    reach = 32  # [choice] pixels around a tile; motion that leaves them is lost

    def __post_init__(self):
        ranges.check(self, width=(1, 4096), blocks=(1, 256))


VARIANTS = {
    "basicvsr": BasicVSRConfig(),
    "basicvsr-nano": BasicVSRConfig(width=8, blocks=2, spynet=SPYNET["spynet-nano"]),
}
