"""Objectives of restoration in a space of features: those of degraded frames become those that a
frozen network has of the clean frames.
"""

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from daflow_jax.losses import correspondence
from daflow_jax.ops import tokens


def cosine_loss(
    restored: Float[Array, "b f h w c"],
    clean: Float[Array, "b f h w c"],
    weight: Float[Array, " b"],
) -> Float[Array, ""]:
    """Returns the mean of 1 - cosine of both at every place.

    Args:
        weight: one factor per clip, 0 for padding.
    """
    apart = 1 - jnp.sum(tokens.unit(restored) * tokens.unit(clean), axis=-1)
    return _mean(jnp.mean(apart, axis=(1, 2, 3)), weight)


def row_loss(
    restored: Float[Array, "b f h w c"],
    clean: Float[Array, "b f h w c"],
    weight: Float[Array, " b"],
    temperature: float = correspondence.TEMPERATURE,
) -> Float[Array, ""]:
    """Returns how far the attention of frame k to k+1 is from that of the clean features: the mean
    Kullback-Leibler divergence of its rows, clean rows first, in nats.
    """
    ours, theirs = (
        correspondence.log_attention(x[:, :-1], x[:, 1:], temperature)
        for x in (_flat(restored), _flat(clean))
    )
    theirs = jax.lax.stop_gradient(theirs)
    apart = jnp.sum(jnp.exp(theirs) * (theirs - ours), axis=-1)
    return _mean(jnp.mean(apart, axis=(1, 2)), weight)


def _flat(x: Float[Array, "b f h w c"]) -> Float[Array, "b f n c"]:
    return rearrange(x, "b f h w c -> b f (h w) c")


def _mean(values: Float[Array, " b"], weight: Float[Array, " b"]) -> Float[Array, ""]:
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1e-6)
