"""How much a restored video flickers: what is left between a frame and the one before, moved."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.ops import occlusion, warp

LEVELS = 255.0  # grey levels of the range [0, 1]


def opw(
    frame: Float[Array, "*b h w c"],
    previous: Float[Array, "*b h w c"],
    reference: Float[Array, "*b h w c"],
    reference_previous: Float[Array, "*b h w c"],
    flow: Float[Array, "*b h w 2"],
) -> Float[Array, "*b"]:
    """Returns the optical-flow-warped error in grey levels of 255, 0 = no flicker.

    The mean over pixels and channels of mask |frame - warp(previous)|, where the mask is
    `occlusion.unchanged` of the reference frames. Frames are in [0, 1]; other sizes than those of
    `flow` must be brought to it first.

    Args:
        frame, previous: two neighbours of the video that is judged.
        reference, reference_previous: the same moments of the clean video, or of the best there is.
        flow: pixels, from `reference` to `reference_previous`; zeros stand outside of the picture.
    """
    mask = occlusion.unchanged(warp.warp(reference_previous.astype(jnp.float32), flow), reference)
    moved = warp.warp(previous.astype(jnp.float32), flow)
    left = jnp.mean(jnp.abs(frame.astype(jnp.float32) - moved), axis=-1)
    return LEVELS * jnp.mean(mask * left, axis=(-2, -1))
