"""Motion from a new frame to the two frames around it: pure functions of arrays.

Flow has four channels, (u, v) to the first frame, then (u, v) to the second, in pixels of the
frames. The mask's logit says which warped frame the new one takes: its sigmoid is the weight of the
first.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.ops import rescale, warp

Frames = Float[Array, "b h w 3"]


class Motion(NamedTuple):
    """flow (b, h, w, 4) and logit (b, h, w, 1) at the size of the frames, float32."""

    flow: Float[Array, "b h w 4"]
    logit: Float[Array, "b h w 1"]

    def plus(self, other: "Motion") -> "Motion":
        """Returns the sum of both, made once for all that read it."""
        total = Motion(self.flow + other.flow, self.logit + other.logit)
        return jax.lax.optimization_barrier(total)


def warped(first: Array, second: Array, flow: Float[Array, "b h w 4"]) -> tuple[Array, Array]:
    """Returns both frames, or maps of them, read where the flow points; borders repeat."""
    return warp.warp(first, flow[..., :2], "edge"), warp.warp(second, flow[..., 2:], "edge")


def blend(first: Frames, second: Frames, logit: Float[Array, "b h w 1"]) -> Frames:
    """Returns the mean of both, weighted by the mask."""
    mask = jax.nn.sigmoid(logit)
    return first * mask + second * (1 - mask)


def swap(flow: Float[Array, "b h w 4"]) -> Float[Array, "b h w 4"]:
    """Returns the flow for the two frames in the other order."""
    return jnp.concatenate([flow[..., 2:], flow[..., :2]], -1)


def mirrored(motion: Motion) -> Motion:
    """Returns the motion for the two frames in the other order."""
    return Motion(swap(motion.flow), -motion.logit)


def averaged(both: Motion) -> Motion:
    """Returns the mean of a batch's first half and its second, found for the other order."""
    flow, back = jnp.split(both.flow, 2)
    logit, against = jnp.split(both.logit, 2)
    return Motion((flow + swap(back)) / 2, (logit - against) / 2)


def shrunk(
    images: Sequence[Array], flow: Float[Array, "b h w 4"] | None, scale: float
) -> Float[Array, "b y x c"]:
    """Returns the images `scale` times smaller, and the flow in pixels of that size behind them."""
    small = rescale.rescale(jnp.concatenate(images, -1), 1 / scale)
    if flow is None:
        return small
    return jnp.concatenate([small, rescale.rescale(flow, 1 / scale) / scale], -1)


def enlarged(out: Float[Array, "b y x c"], scale: float) -> Motion:
    """Returns flow, in pixels of the new size, and logit from four channels of flow and one."""
    out = rescale.rescale(out.astype(jnp.float32), scale)
    return Motion(out[..., :4] * scale, out[..., 4:5])


def plane(times: Float[Array, " b"], like: Float[Array, "b h w c"]) -> Float[Array, "b h w 1"]:
    """Returns the times as a picture of one channel."""
    return jnp.broadcast_to(times[:, None, None, None].astype(like.dtype), (*like.shape[:3], 1))
