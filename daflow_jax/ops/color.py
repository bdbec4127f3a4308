"""Colours of one picture given to another: restorers drift in tone, their input does not.

Pictures are (..., h, w, c) in [0, 1]; results are not clipped. (DiT4SR's colour fix.)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

LEVELS = 5  # blurs of radius 1, 2, 4, 8, 16
_EPSILON = 1e-5  # added to variances


def adain(
    content: Float[Array, "*b h w c"], style: Float[Array, "*b h w c"]
) -> Float[Array, "*b h w c"]:
    """Returns `content` with the mean and spread of every channel of `style`."""
    mean, spread = _statistics(content)
    style_mean, style_spread = _statistics(style)
    return (content - mean) / spread * style_spread + style_mean


def wavelet(
    content: Float[Array, "*b h w c"], style: Float[Array, "*b h w c"]
) -> Float[Array, "*b h w c"]:
    """Returns the fine detail of `content` on the coarse colours of `style`."""
    return split(content)[0] + split(style)[1]


def split(
    x: Float[Array, "*b h w c"], levels: int = LEVELS
) -> tuple[Float[Array, "*b h w c"], Float[Array, "*b h w c"]]:
    """Returns (fine, coarse), which add up to `x`: coarse is `x` blurred once per level."""
    coarse = jax.lax.fori_loop(0, levels, lambda level, low: blur(low, 2**level), x)
    return x - coarse, coarse


def blur(x: Float[Array, "*b h w c"], radius: int | Int[Array, ""]) -> Float[Array, "*b h w c"]:
    """Returns `x` weighted 1 2 1 along both axes, taps `radius` apart, border pixels repeated."""
    for axis in (-3, -2):
        size = x.shape[axis]
        here = jnp.arange(size)
        below = jnp.take(x, jnp.maximum(here - radius, 0), axis)
        above = jnp.take(x, jnp.minimum(here + radius, size - 1), axis)
        x = (below + 2 * x + above) / 4
    return x


def _statistics(x: Array) -> tuple[Array, Array]:
    mean = x.mean((-3, -2), keepdims=True)
    variance = x.var((-3, -2), keepdims=True, ddof=1)
    return mean, jnp.sqrt(variance + _EPSILON)
