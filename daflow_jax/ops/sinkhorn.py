"""Balanced assignment by Sinkhorn's rounds, in logarithms."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

EPSILON, ROUNDS = 0.05, 30  # DoRA, sinkhorn_knopp.py


def assign(
    logits: Float[Array, "*b n k"], epsilon: float = EPSILON, rounds: int = ROUNDS
) -> Float[Array, "*b n k"]:
    """Returns shares of n points in k groups: the shares of a point sum to 1, and the groups are
    equally large as far as `rounds` rounds get.

    Logits over `epsilon` may span more than exp can hold, as DoRA's do: the published form in
    float32 then assigns other patches.
    """
    scores = logits.astype(jnp.float32) / epsilon

    def once(scores, _):
        scores = scores - jax.nn.logsumexp(scores, axis=-2, keepdims=True)  # groups alike
        return scores - jax.nn.logsumexp(scores, axis=-1, keepdims=True), None  # points whole

    return jnp.exp(jax.lax.scan(once, scores, None, length=rounds)[0])
