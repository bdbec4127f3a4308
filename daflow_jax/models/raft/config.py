"""Sizes of the two published RAFT networks."""

import dataclasses
from typing import Literal

from daflow_jax import ranges

WIDTH = (1, 65536)  # channels
Lookup = Literal["gather", "matmul"]


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
        uncertainty: a head that predicts a mixture of two Laplace distributions beside the flow,
            which training then descends (SEA-RAFT, sec. 3.2); the flow does not depend on it.
        var_min, var_max: bounds of the two log scales of the mixture, at most 0 and at least 0.
    """

    small: bool = False
    widths: tuple[int, int, int, int] = (64, 64, 96, 128)
    features: int = 256
    hidden: int = 128
    context: int = 128
    levels: int = 4
    radius: int = 4
    lookup: Lookup = "gather"
    uncertainty: bool = False
    var_min: float = 0.0
    var_max: float = 10.0

    multiple = 8
    minimum = 128  # the coarsest of four levels needs 2 x 2 entries: 128 / 8 / 8
    stride = 8
    frames = 2
    iters = 12

    def __post_init__(self):
        sizes = dict(widths=WIDTH, features=WIDTH, hidden=WIDTH, context=WIDTH)
        ranges.check(self, **sizes, levels=(1, 8), radius=(1, 64))
        check_bounds(self.var_min, self.var_max)


def check_bounds(var_min: float, var_max: float) -> None:
    """Raises ValueError unless the bounds of the mixture's log scales enclose 0, one pixel."""
    if not (var_min <= 0 <= var_max):  # NaN is not a bound
        raise ValueError(
            f"var_min {var_min}, var_max {var_max}: the first is at most 0, the second at least 0"
        )


VARIANTS = {  # sizes of the released code
    "raft": RAFTConfig(),
    "raft-small": RAFTConfig(
        small=True, widths=(32, 32, 64, 96), features=128, hidden=96, context=64, radius=3
    ),
}
