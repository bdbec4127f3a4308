"""Normalisations of diffusion transformers; statistics in float32, as 16-bit sums lose terms."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float


def layer_norm(x: Float[Array, "*b c"], epsilon: float = 1e-6) -> Float[Array, "*b c"]:
    """Returns `x` with zero mean and unit variance over channels, without scale or offset."""
    y = x.astype(jnp.float32)
    y = y - y.mean(-1, keepdims=True)
    y = y * jax.lax.rsqrt(jnp.mean(jnp.square(y), -1, keepdims=True) + epsilon)
    return y.astype(x.dtype)


def modulate(
    x: Float[Array, "b *n c"], shift: Float[Array, "b c"], scale: Float[Array, "b c"]
) -> Float[Array, "b *n c"]:
    """Returns x (1 + scale) + shift with one shift and scale per clip (adaptive layer norm)."""
    return x * (1 + per_clip(scale, x)) + per_clip(shift, x)


def per_clip(values: Float[Array, "b c"], x: Float[Array, "b *n c"]) -> Float[Array, "b ... c"]:
    """Returns `values` with axes of size one inserted so that they broadcast against `x`."""
    return values.reshape(values.shape[:1] + (1,) * (x.ndim - 2) + values.shape[1:])


class RMSNorm(nn.Module):
    """Divides by the root mean square over the last axis and scales (query-key norm of SD3.5)."""

    epsilon: float = 1e-6
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:], self.param_dtype)
        y = x.astype(jnp.float32)
        y = y * jax.lax.rsqrt(jnp.mean(jnp.square(y), -1, keepdims=True) + self.epsilon)
        return (y * scale).astype(x.dtype)
