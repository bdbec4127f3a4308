"""Masks that look alike become one: the merge of Guess What Moves, from masks to two."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LEAST = 1e-6


def affinity(
    masks: Float[Array, "b h w k"], features: Float[Array, "b h w c"]
) -> Float[Array, "b k k"]:
    """Returns cosines, at least 1e-6, of the features averaged under every mask."""
    pooled = jnp.einsum("bhwk,bhwc->bkc", masks, features, precision="highest")
    pooled = pooled / jnp.maximum(masks.sum((1, 2))[..., None], 1e-12)
    unit = pooled / jnp.maximum(jnp.linalg.norm(pooled, axis=-1, keepdims=True), LEAST)
    found = jnp.einsum("bic,bjc->bij", unit, unit, precision="highest")
    return jnp.maximum(found, LEAST)


def halves(affinities: Float[Array, "b k k"]) -> Float[Array, "b k"]:
    """Returns 1 for the masks of one half and 0 for the others, mask 0 always among the latter.

    The halves have the smallest normalised cut of all; with few masks every choice is tried, where
    the published code relaxes the same cut (spectral clustering).
    """
    count = affinities.shape[-1]
    if not 2 <= count <= 12:
        raise ValueError(f"{count} masks; halves are tried for 2 to 12")
    choices = (np.arange(1, 2 ** (count - 1))[:, None] >> np.arange(count - 1)) & 1
    choices = np.concatenate([np.zeros((len(choices), 1)), choices], 1).astype(np.float32)
    inside = jnp.einsum("pi,bij,pj->bp", choices, affinities, choices, precision="highest")
    degree = affinities.sum(-1)
    volume = jnp.einsum("pi,bi->bp", choices, degree, precision="highest")
    cut = volume - inside
    rest = degree.sum(-1)[:, None] - volume
    return jnp.asarray(choices)[jnp.argmin(cut / volume + cut / rest, -1)]
