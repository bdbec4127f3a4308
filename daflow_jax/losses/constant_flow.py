"""Flow as one vector per mask: the simple form that the quadratic fit replaces."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def reconstruction_error(
    masks: Float[Array, "b h w k"], flow: Float[Array, "b h w 2"]
) -> Float[Array, " b"]:
    """Returns the mean squared difference of each flow and the sum over masks of mask times mean
    flow under it, in square pixels.
    """
    masks = masks.astype(jnp.float32)
    total = jnp.einsum("bhwk,bhwc->bkc", masks, flow, precision="highest")
    mean = total / (masks.sum((1, 2))[..., None] + 1e-7)
    rebuilt = jnp.einsum("bhwk,bkc->bhwc", masks, mean, precision="highest")
    return jnp.mean(jnp.square(rebuilt - flow), (1, 2, 3))
