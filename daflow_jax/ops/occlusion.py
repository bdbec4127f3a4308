"""Occlusion: where forward and backward flow disagree, or where colours changed along the flow."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from daflow_jax.ops import warp

Form = Literal["squared", "l2"]
SHARPNESS = 50.0  # of `unchanged`; the published code of Lai et al. (ECCV 2018)


def forward_backward_mask(
    flow: Float[Array, "*b h w 2"],
    backward: Float[Array, "*b h w 2"],
    form: Form = "squared",
    slope: float = 0.01,
    offset: float = 0.5,
) -> Bool[Array, "*b h w"]:
    """Returns true where a pixel of the first frame is occluded in the second.

    Following `flow` and then `backward` must lead back. With f the flow and b the backward flow
    read where f points, a pixel is occluded where
    "squared": |f + b|^2 > slope (|f|^2 + |b|^2) + offset   (UnFlow, Meister et al. 2018);
    "l2": |f + b| > slope (|f| + |backward|) + offset, `backward` in place (GMFlow's code).
    """
    returned = warp.warp(backward, flow)
    gap = _square(flow + returned)
    if form == "squared":
        return gap > slope * (_square(flow) + _square(returned)) + offset
    if form == "l2":
        length = jnp.sqrt(_square(flow)) + jnp.sqrt(_square(backward))
        return jnp.sqrt(gap) > slope * length + offset
    raise ValueError(f"form is {form!r}; it must be 'squared' or 'l2'; choose one")


def unchanged(
    warped: Float[Array, "*b h w c"],
    current: Float[Array, "*b h w c"],
    sharpness: float | int = SHARPNESS,
) -> Float[Array, "*b h w"]:
    """Returns exp(-sharpness * squared colour difference): 1 where the scene is the same, near 0
    where it was hidden or left the picture.

    Args:
        warped: the previous frame on the grid of the current one; both in [0, 1].
    """
    difference = current.astype(jnp.float32) - warped.astype(jnp.float32)
    return jnp.exp(-sharpness * jnp.sum(difference * difference, axis=-1))


def _square(vector: Float[Array, "*b 2"]) -> Float[Array, "*b"]:
    return jnp.sum(vector * vector, axis=-1)
