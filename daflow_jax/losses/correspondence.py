"""Objectives that make the tokens (`ops.tokens`) of one frame find their places in the next.

Both read the same attention of frame k to frame k+1: cosine similarity over a temperature, softmax
over all tokens.
"""

import math

import jax
import jax.numpy as jnp
from einops import rearrange, reduce
from jaxtyping import Array, Bool, Float

from daflow_jax.ops import tokens

TEMPERATURE = 0.07  # InfoNCE's usual one (He et al. 2020, MoCo)
SUBPIXELS = 8  # a side of what is copied of a token [choice]


def log_attention(
    query: Float[Array, "*b n c"], key: Float[Array, "*b m c"], temperature: float = TEMPERATURE
) -> Float[Array, "*b n m"]:
    """Returns log softmax over m of cosine(query, key) / temperature, float32."""
    return jax.nn.log_softmax(tokens.cosine(query, key) / temperature, axis=-1)


def copy_loss(
    query: Float[Array, "b f n c"],
    key: Float[Array, "b f n c"],
    patches: Float[Array, "b f n d"],
    weight: Float[Array, " b"],
) -> Float[Array, ""]:
    """Returns the mean absolute error of frames that are put together from their neighbours alone.

    Each token fetches clean patches of the next frame, and of the one before, by the similarity of
    its query to their keys; what it fetches must equal its own clean patch. No flow is read: the
    only way to a low error is to find the right place.

    Args:
        patches: clean content of every token, see `patches_of`.
        weight: one factor per clip, 0 for padding.
    """
    ahead = _fetched(query[:, :-1], key[:, 1:], patches[:, 1:]) - patches[:, :-1]
    back = _fetched(query[:, 1:], key[:, :-1], patches[:, :-1]) - patches[:, 1:]
    error = jnp.mean(jnp.abs(ahead) + jnp.abs(back), axis=(1, 2, 3)) / 2
    return _mean(error, weight)


def match_loss(
    query: Float[Array, "b f n c"],
    key: Float[Array, "b f n c"],
    flow: Float[Array, "b f-1 h w 2"],
    visible: Bool[Array, "b f-1 h w"],
    weight: Float[Array, " b"],
) -> Float[Array, ""]:
    """Returns the cross-entropy of each token's attention to the next frame with its true place.

    The truth is a distribution, the bilinear weights of the four tokens around the target.

    Args:
        flow, visible: of tokens and in tokens, see `ops.tokens.flow`; the mean is over visible
            tokens whose target lies on the grid of tokens (h w = n).
        weight: one factor per clip, 0 for padding.
    """
    height, width = flow.shape[2:4]
    chances = log_attention(query[:, :-1], key[:, 1:])
    chances = rearrange(chances, "b f n (y x) -> b f n y x", y=height)
    column, row = jnp.moveaxis(tokens.targets(flow), -1, 0)
    across = jnp.maximum(0, 1 - jnp.abs(column[..., None] - jnp.arange(width)))
    down = jnp.maximum(0, 1 - jnp.abs(row[..., None] - jnp.arange(height)))
    entropy = -jnp.einsum("bfnyx,bfny,bfnx->bfn", chances, down, across)
    inside = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
    counted = (inside & rearrange(visible, "b f h w -> b f (h w)")) * weight[:, None, None]
    return _mean(entropy, counted)


def patches_of(frames: Float[Array, "b f y x c"], cell: int) -> Float[Array, "b f n d"]:
    """Returns the content of every token: its pixels, averaged to at most 8 x 8 of them."""
    area = cell // math.gcd(cell, SUBPIXELS)
    small = reduce(frames, "b f (y i) (x j) c -> b f y x c", "mean", i=area, j=area)
    side = cell // area
    return rearrange(small, "b f (h i) (w j) c -> b f (h w) (i j c)", i=side, j=side)


def _fetched(query: Array, key: Array, patches: Array) -> Array:
    return jnp.einsum("bfnm,bfmd->bfnd", jnp.exp(log_attention(query, key)), patches)


def _mean(values: Array, weight: Array) -> Array:
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1e-6)
