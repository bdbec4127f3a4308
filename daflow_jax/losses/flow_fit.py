"""Flow as one quadratic function of the position in every mask (Guess What Moves, BMVC 2022)."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.ops import least_squares

TERMS = 6
RIDGE = 1e-5  # [choice] keeps the fit of an empty mask, and its gradient, finite


class Fit(NamedTuple):
    """theta: coefficients of the basis for u and v, by mask. flow: the sum over masks of mask times
    fitted flow, in pixels.
    """

    theta: Float[Array, "b k 6 2"]
    flow: Float[Array, "b h w 2"]


def basis(height: int, width: int) -> Float[Array, "{height} {width} 6"]:
    """Returns row, column, row^2, column^2, row column, 1, with row = y / h and column = x / w."""
    row = jnp.arange(height, dtype=jnp.float32)[:, None] / height
    column = jnp.arange(width, dtype=jnp.float32)[None] / width
    row, column = (jnp.broadcast_to(x, (height, width)) for x in (row, column))
    parts = (row, column, row**2, column**2, row * column, jnp.ones_like(row))
    return jnp.stack(parts, -1)


def fit(
    masks: Float[Array, "b h w k"], flow: Float[Array, "b h w 2"], single_weight: bool = False
) -> Fit:
    """Returns the least squares per mask, with gradients with respect to the masks.

    Both sides are multiplied by the mask, as published, so that pixels count by its square;
    `single_weight` counts them by the mask itself, which is another loss.
    """
    height, width = masks.shape[1:3]
    terms = basis(height, width).reshape(-1, TERMS)
    weights = jnp.moveaxis(masks.astype(jnp.float32), -1, 1).reshape(len(masks), -1, terms.shape[0])
    target = flow.astype(jnp.float32).reshape(len(flow), 1, -1, 2)
    factor = jnp.sqrt(weights) if single_weight else weights
    theta = _solve(factor[..., None] * terms, factor[..., None] * target)
    fitted = jnp.einsum("bkn,nt,bktc->bnc", weights, terms, theta, precision="highest")
    return Fit(theta, fitted.reshape(flow.shape))


def reconstruction_error(
    masks: Float[Array, "b h w k"], flow: Float[Array, "b h w 2"], single_weight: bool = False
) -> Float[Array, " b"]:
    """Returns the mean squared difference of each flow and its fit, in square pixels. The published
    training multiplies it by 0.03.
    """
    difference = fit(masks, flow, single_weight).flow - flow
    return jnp.mean(jnp.square(difference), (1, 2, 3))


def _solve(left, right):
    ridge = jnp.broadcast_to(RIDGE * jnp.eye(TERMS), (*left.shape[:2], TERMS, TERMS))
    nothing = jnp.zeros((*right.shape[:2], TERMS, right.shape[-1]))
    left, right = jnp.concatenate([left, ridge], -2), jnp.concatenate([right, nothing], -2)
    return least_squares.solved(left, right)
