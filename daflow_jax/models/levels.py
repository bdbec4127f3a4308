"""What networks return that predict flow at several sizes at once."""

from collections.abc import Sequence

from einops import rearrange
from jaxtyping import Array, Float

from daflow_jax.models.outputs import FlowOutput
from daflow_jax.ops import rescale

UNIT = 20.0  # pixels of the frames per unit of predicted flow (FlowNet, PWC-Net)


def output(levels: Sequence[Float[Array, "p _ _ 2"]], clips: int) -> FlowOutput:
    """Returns the output for flow at 1/4, 1/8 ... of the size, in units of 20 pixels.

    The first one is enlarged to the size of the frames, bilinear between the centres of pixels.
    """
    best = levels[0]
    flow = UNIT * rescale.rescale(best, 4.0)
    flow, low, *each = (
        rearrange(x, "(b q) h w c -> b q h w c", b=clips) for x in (flow, UNIT / 4 * best, *levels)
    )
    return FlowOutput(flow[None], low, levels=tuple(each))
