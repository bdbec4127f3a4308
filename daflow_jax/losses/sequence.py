"""The loss over all iterations of a refinement."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def sequence_loss(
    flows: Float[Array, "m *b h w 2"],
    target: Float[Array, "*b h w 2"],
    valid: Float[Array, "*b h w"],
    gamma: float = 0.8,
    max_flow: float = 400.0,
) -> Float[Array, ""]:
    """Returns the sum over iterations of gamma^(m-1-i) times the mean absolute error (RAFT, eq. 7).

    As in RAFT's code the mean runs over all pixels, with zeros where `valid` < 0.5 or the target's
    length reaches `max_flow` pixels, so a batch with few valid pixels weighs less.
    """
    usable = (valid >= 0.5) & (jnp.sum(target**2, axis=-1) < max_flow**2)
    target = jnp.where(usable[..., None], target, 0.0).astype(jnp.float32)
    error = jnp.where(usable[..., None], jnp.abs(flows.astype(jnp.float32) - target), 0.0)
    weights = gamma ** jnp.arange(flows.shape[0] - 1, -1, -1, dtype=jnp.float32)
    return jnp.sum(weights * error.reshape(flows.shape[0], -1).mean(axis=1))
