"""What changes between restored frames where nothing changed between the true ones."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.ops import occlusion, warp
from daflow_jax.ops.occlusion import SHARPNESS


class Temporal(NamedTuple):
    """loss: the mean over all pixels and channels; mask: (b, h, w), 1 where nothing changed."""

    loss: Float[Array, ""]
    mask: Float[Array, "b h w"]


def temporal_loss(
    restored: tuple[Float[Array, "b h w 3"], Float[Array, "b h w 3"]],
    true: tuple[Float[Array, "b h w 3"], Float[Array, "b h w 3"]],
    flow: Float[Array, "b h w 2"],
    sharpness: float | int = SHARPNESS,
    weight: Float[Array, "b"] | None = None,
) -> Temporal:
    """Returns the mean of mask * |current - previous warped|; no gradient goes to mask and flow.

    Args:
        restored, true: (previous, current) in [0, 1].
        flow: pixels, from the current frame to the previous one, of the true frames.
        weight: of each clip; None weighs all alike.
    """
    flow = jax.lax.stop_gradient(flow)
    mask = occlusion.unchanged(warp.warp(true[0], flow), true[1], sharpness)
    mask = jax.lax.stop_gradient(mask)
    previous, current = restored
    change = jnp.abs(current - warp.warp(previous, flow)) * mask[..., None]
    each = change.mean((1, 2, 3))
    weight = jnp.ones(len(each)) if weight is None else weight
    return Temporal(jnp.sum(each * weight) / jnp.maximum(jnp.sum(weight), 1e-6), mask)
