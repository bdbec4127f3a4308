"""What all RIFE networks share: sizes that do not fit, and a frame from a motion."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.models.rife import motion
from daflow_jax.models.rife.motion import Motion

Pairs = Float[Array, "b 2 h w 3"]
Frames = Float[Array, "b h w 3"]


def fitting(
    function: Callable[..., Array], pairs: Pairs, multiple: int, *args: Any, **options: Any
) -> Frames:
    """Returns function(pairs, ...) of frames with zeros at the bottom and right up to the next
    multiple, without them.

    For scales below 1, which need larger multiples than the configuration's.
    """
    height, width = pairs.shape[2:4]
    below, right = -height % multiple, -width % multiple
    if below or right:
        pairs = jnp.pad(pairs, ((0, 0), (0, 0), (0, below), (0, right), (0, 0)))
    return function(pairs, *args, **options)[:, :height, :width]


def split(pairs: Pairs) -> tuple[Frames, Frames]:
    """Returns the first and the second frames."""
    return pairs[:, 0], pairs[:, 1]


def blended(pairs: Pairs, found: Motion) -> Frames:
    """Returns the mean of both warped frames, weighted by the mask."""
    return motion.blend(*motion.warped(*split(pairs), found.flow), found.logit)


def corrected(
    pairs: Pairs,
    flow: Array,
    logit: Array,
    contextnet: Callable[..., Any],
    unet: Callable[..., Array],
) -> Frames:
    """Returns the blend of a motion and the U-Net's correction of it, in [0, 1] (sec. 3.1)."""
    first, second = split(pairs)
    warped = motion.warped(first, second, flow)
    images = jnp.concatenate([first, second, *warped, logit, flow], -1)
    residual = unet(images, contextnet(first, second, flow)).astype(jnp.float32)
    return jnp.clip(motion.blend(*warped, logit) + 2 * jax.nn.sigmoid(residual) - 1, 0, 1)
