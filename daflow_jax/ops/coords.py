"""The geometry of the whole package, stated once.

Arrays are channels-last. Coordinates and flow hold (x, y) on the last axis: x to the right, y down,
in pixels of their own resolution, with pixel centres at integers. Flow is defined on the grid of
frame k and points to frame k+1: `frame_k[y, x]` shows what `frame_{k+1}[y + v, x + u]` shows.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def pixel_grid(height: int, width: int) -> Float[Array, "{height} {width} 2"]:
    """Returns the (x, y) coordinates of every pixel centre, float32, in pixels."""
    x, y = jnp.meshgrid(jnp.arange(width), jnp.arange(height))
    return jnp.stack([x, y], axis=-1).astype(jnp.float32)
