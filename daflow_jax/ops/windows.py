"""Averaged windows: what surrounds a place, without any network."""

import math

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from daflow_jax.ops import window_sides
from daflow_jax.ops.window_sides import CELLS


def averaged(frames: Float[Array, "*b y x c"], stride: int, side: int) -> Float[Array, "*b h w d"]:
    """Returns the surroundings of every token of `stride` pixels: a window of `side` pixels around
    its middle, averaged to 5 x 5 cells; borders are repeated outwards.

    Args:
        frames: y and x multiples of `stride`.
        side: a multiple of 5, at least `stride`, even or odd as `stride` is (`window_sides.check`).
    """
    window_sides.check(stride, side)
    batch, (height, width, channels) = frames.shape[:-3], frames.shape[-3:]
    margin, cell = (side - stride) // 2, side // CELLS
    step = math.gcd(stride, cell)
    flat = frames.reshape(-1, height, width, channels)
    around = jnp.pad(flat, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
    size, steps = (1, cell, cell, 1), (1, step, step, 1)
    means = jax.lax.reduce_window(around, 0.0, jax.lax.add, size, steps, "VALID") / cell**2
    rows, columns = (
        (jnp.arange(n // stride)[:, None] * stride + jnp.arange(CELLS) * cell).ravel() // step
        for n in (height, width)
    )
    cut = means[:, rows][:, :, columns]
    out = rearrange(cut, "b (h i) (w j) c -> b h w (i j c)", i=CELLS, j=window_sides.CELLS)
    return out.reshape(*batch, *out.shape[1:])


def standardised(x: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
    """Returns every channel of every map with mean 0 and deviation 1, float32."""
    x = x.astype(jnp.float32)  # sums over a whole map
    mean = jnp.mean(x, axis=(-3, -2), keepdims=True)
    return (x - mean) * jax.lax.rsqrt(jnp.var(x, axis=(-3, -2), keepdims=True) + 1e-6)
