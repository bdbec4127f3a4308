"""Features of the second frame on the grid of the first, as PWC-Net warps them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.ops import coords, sample

WHOLE = 0.9999  # least share of a pixel that must lie inside the image


def masked(
    features: Float[Array, "p h w c"], flow: Float[Array, "p h w 2"], align_corners: bool
) -> Float[Array, "p h w c"]:
    """Returns `features` read where `flow` points, zero where a part of the pixel lies outside.

    align_corners: False is the published code with a later PyTorch, whose coordinates stretch from
    the centres of the border pixels to their outer edges. No gradient passes the mask.
    """
    height, width = flow.shape[1:3]
    at = coords.pixel_grid(height, width) + flow
    if not align_corners:
        size = jnp.array([width, height], jnp.float32)
        at = at * (size / jnp.maximum(size - 1, 1)) - 0.5
    share = _inside(at[..., 0], width) * _inside(at[..., 1], height)
    mask = (jax.lax.stop_gradient(share) >= WHOLE).astype(features.dtype)
    return sample.bilinear(features, at) * mask[..., None]


def _inside(x: Array, size: int) -> Array:
    """Returns the sum of the bilinear weights that pixels of the image have, along one axis."""
    return jnp.clip(jnp.minimum(x + 1, size - x), 0.0, 1.0)
