"""What a network says when it predicts a mixture of two Laplace distributions per pixel.

The four values are logits w0, w1 and log scales b0, b1 (log pixels) of a wide and a narrow
distribution; both components of the flow share them (SEA-RAFT, sec. 3.2).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Bounds = tuple[float, float]  # lowest log scale of the narrow part, highest of the wide one


def log_scales(info: Float[Array, "*b 4"], bounds: Bounds) -> Float[Array, "*b 2"]:
    """Returns the clipped log scales: wide in [0, highest], narrow in [lowest, 0]."""
    lowest, highest = bounds
    return jnp.stack(
        [jnp.clip(info[..., 2], 0.0, highest), jnp.clip(info[..., 3], lowest, 0.0)], axis=-1
    )


def uncertainty(
    info: Float[Array, "*b h w 4"], bounds: Bounds = (0.0, 10.0)
) -> Float[Array, "*b h w"]:
    """Returns the mean log scale of the mixture: 0 where the flow is sure (SEA-RAFT's demo)."""
    weights = jax.nn.softmax(info[..., :2].astype(jnp.float32), axis=-1)
    return jnp.sum(weights * log_scales(info.astype(jnp.float32), bounds), axis=-1)
