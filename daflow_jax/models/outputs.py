"""What every flow network returns."""

from typing import NamedTuple

from jaxtyping import Array, Float


class FlowOutput(NamedTuple):
    """flows: (m, b, f-1, h, w, 2) float32 pixels, one per returned iteration, the best one last.

    low: (b, f-1, h/stride, w/stride, 2), the last flow on a grid of `config.stride` pixels a step,
        in steps of that grid (warm start).
    info: (m, b, f-1, h, w, 4) float32, of networks that predict a mixture of two Laplace
        distributions: weights before the softmax w0, w1 and log scales b0, b1 before clipping
        (SEA-RAFT, sec. 3.2); None of others.
    """

    flows: Float[Array, "m b pairs h w 2"]
    low: Float[Array, "b pairs hl wl 2"]
    info: Float[Array, "m b pairs h w 4"] | None = None
