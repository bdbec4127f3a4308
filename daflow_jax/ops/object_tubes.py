"""Objects that a transformer's attention finds in a clip's first frame, followed through the clip
(DoRA, ICLR 2024, utils.py).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from daflow_jax.ops import sinkhorn


class Tubes(NamedTuple):
    """prototypes, objects: before and after the assignment. assignment: shares of every patch of
    the first frame. attention: of each object over the patches of every frame. margin: attention of
    unit length, less its mean over batch and patches; where it is positive the object is.
    """

    prototypes: Float[Array, "b k c"]
    assignment: Float[Array, "b n k"]
    objects: Float[Array, "b k c"]
    attention: Float[Array, "t b k n"]
    margin: Float[Array, "t b k n"]

    @property
    def mask(self) -> Bool[Array, "t b k n"]:
        """Where the objects are."""
        return self.margin > 0


def find(
    class_attention: Float[Array, "b heads n"],
    query: Float[Array, "b heads n d"],
    patches: Float[Array, "b n c"],
    keys: Float[Array, "t b heads n d"],
    chosen: Int[Array, " k"],
    epsilon: float = sinkhorn.EPSILON,
    rounds: int = sinkhorn.ROUNDS,
) -> Tubes:
    """Returns one object for each chosen head.

    Args:
        class_attention, query: of the last block at the first frame, over patches alone.
        patches: tokens of the first frame after the last norm. keys: of all frames.
    """
    attention = class_attention.astype(jnp.float32)[:, chosen]
    width = patches.shape[-1]
    joined = query.astype(jnp.float32).swapaxes(1, 2).reshape(*patches.shape[:2], width)
    dot: dict[str, Any] = dict(precision="highest")
    prototypes = jnp.einsum("bkn,bnc->bkc", attention, joined, **dot)
    tokens = _unit(patches.astype(jnp.float32))
    logits = jnp.einsum("bnc,bkc->bnk", tokens, prototypes, **dot)
    assignment = sinkhorn.assign(logits, epsilon, rounds)
    objects = jnp.einsum("bnk,bnc->bkc", assignment, tokens, **dot)
    rows = keys.astype(jnp.float32).swapaxes(2, 3).reshape(*keys.shape[:2], -1, width)
    scores = jnp.einsum("bkc,tbnc->tbkn", objects, rows, **dot) / width**0.5
    over = jax.nn.softmax(scores, -1)
    even = _unit(over)
    return Tubes(prototypes, assignment, objects, over, even - _mean(even))


def _mean(even):
    return jnp.mean(even, (1, 3), keepdims=True)


def _unit(x):
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
