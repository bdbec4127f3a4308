"""Sizes of the published SEA-RAFT networks."""

import dataclasses

from daflow_jax import ranges
from daflow_jax.models.raft.config import WIDTH, Lookup, check_bounds


@dataclasses.dataclass(frozen=True)
class SEARAFTConfig:
    """One SEA-RAFT network.

    Attributes:
        blocks: residual blocks in the encoders' stages: (2, 2, 2) ResNet-18, (3, 4, 6) ResNet-34.
        widths: channels of the encoders' stem and three stages.
        features: channels that enter the correlation.
        hidden, context: channels of the recurrent state and of the context.
        num_blocks: ConvNeXt blocks in one update.
        levels, radius: correlation pyramid and look-up window.
        iters: refinement steps unless asked otherwise.
        var_min, var_max: bounds of the two log scales of the mixture, at most 0 and at least 0.
        lookup: "gather" (fast forward on CPU and GPU) or "matmul" (fast gradient; TPU).
    """

    blocks: tuple[int, int, int] = (2, 2, 2)
    widths: tuple[int, int, int, int] = (64, 64, 128, 256)
    features: int = 256
    hidden: int = 128
    context: int = 128
    num_blocks: int = 2
    levels: int = 4
    radius: int = 4
    iters: int = 4
    var_min: float = 0.0
    var_max: float = 10.0
    lookup: Lookup = "gather"

    multiple = 8
    minimum = 128  # as RAFT
    stride = 8
    frames = 2
    uncertainty = True

    def __post_init__(self):
        sizes = dict(widths=WIDTH, features=WIDTH, hidden=WIDTH, context=WIDTH)
        counts = dict(blocks=(1, 64), num_blocks=(1, 64), levels=(1, 8), radius=(1, 64))
        ranges.check(self, **sizes, **counts, iters=(1, 1000))
        check_bounds(self.var_min, self.var_max)


VARIANTS = {  # the released code; L is M with more iterations, the same weights
    "sea-raft-s": SEARAFTConfig(),
    "sea-raft-m": SEARAFTConfig(blocks=(3, 4, 6)),
    "sea-raft-l": SEARAFTConfig(blocks=(3, 4, 6), iters=12),
}
