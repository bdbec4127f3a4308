"""Tokens as places: a grid of h x w cells, each `cell` pixels wide, that stand for their middles.

Token (y, x) covers the pixels from (cell y, cell x) on.
"""

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float

from daflow_jax.ops import coords


def cosine(query: Float[Array, "*b n c"], key: Float[Array, "*b m c"]) -> Float[Array, "*b n m"]:
    """Returns the cosine of every query with every key, float32."""
    return jnp.einsum("...nc,...mc->...nm", unit(query), unit(key))


def unit(x: Float[Array, "*n c"]) -> Float[Array, "*n c"]:
    """Returns vectors of length 1, float32; zero stays zero."""
    x = x.astype(jnp.float32)  # small differences of cosines decide
    return x * jax.lax.rsqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-12)


def flow(
    pixels: Float[Array, "*b y x 2"], known: Bool[Array, "*b y x"], cell: int
) -> tuple[Float[Array, "*b h w 2"], Bool[Array, "*b h w"]]:
    """Returns flow in tokens and whether it is known: those of the pixel at a token's middle."""
    middle = (..., slice(cell // 2, None, cell), slice(cell // 2, None, cell))
    known = known[middle]
    return jnp.where(known[..., None], pixels[*middle, slice(None)], 0.0) / cell, known


def targets(moved: Float[Array, "*b h w 2"]) -> Float[Array, "*b n 2"]:
    """Returns the (x, y) that tokens with this flow come to, in tokens."""
    places = moved + coords.pixel_grid(*moved.shape[-3:-1])
    return rearrange(places, "... h w c -> ... (h w) c")
