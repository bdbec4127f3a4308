"""What every flow network returns."""

from typing import NamedTuple

from jaxtyping import Array, Float


class FlowOutput(NamedTuple):
    """flows: (m, b, f-1, h, w, 2) float32 pixels, one per returned iteration, the best one last.

    low: (b, f-1, h/8, w/8, 2), the last flow on the 1/8 grid in its own pixels (warm start).
    """

    flows: Float[Array, "m b pairs h w 2"]
    low: Float[Array, "b pairs hl wl 2"]
