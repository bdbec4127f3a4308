"""Whether features hold anything, and whether classes can be told by them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def effective_rank(features: Float[Array, "n c"]) -> Float[Array, ""]:
    """Returns exp of the entropy of the singular values of centred features, 1 to min(n, c).

    Near 1 the features have collapsed (Roy and Vetterli, EUSIPCO 2007).
    """
    x = features.astype(jnp.float32)
    x = x - jnp.mean(x, 0)
    gram = x.T @ x if x.shape[0] >= x.shape[1] else x @ x.T
    values = jnp.sqrt(jnp.maximum(jnp.linalg.eigvalsh(gram), 0))
    total = jnp.sum(values)
    share = values / jnp.where(total > 0, total, 1)
    entropy = -jnp.sum(jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1)), 0))
    return jnp.where(total > 0, jnp.exp(entropy), 1.0)


def nearest_classes(
    query: Float[Array, "n c"],
    bank: Float[Array, "m c"],
    classes: Int[Array, " m"],
    count: int,
    neighbours: int = 20,
    temperature: float = 0.07,
) -> Int[Array, " n"]:
    """Returns the class of every query by its nearest ones in the bank, which vote with
    exp(cosine / temperature) (DINO's k-NN).
    """
    query, bank = (
        x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12) for x in (query, bank)
    )
    similarity, place = jax.lax.top_k(query @ bank.T, min(neighbours, len(bank)))
    votes = jax.nn.one_hot(classes[place], count) * jnp.exp(similarity / temperature)[..., None]
    return jnp.argmax(jnp.sum(votes, 1), -1)


def confusion(
    predicted: Int[Array, "*b"], true: Int[Array, "*b"], count: int
) -> Float[Array, "{count} {count}"]:
    """Returns how often class i (row) was called j; labels outside 0..count-1 are left out."""
    known = (true >= 0) & (true < count)
    rows = jax.nn.one_hot(true.reshape(-1), count) * known.reshape(-1, 1)
    return rows.T @ jax.nn.one_hot(predicted.reshape(-1), count)


def class_iou(table: Float[Array, "k k"]) -> Float[Array, " k"]:
    """Returns intersection over union of each class; NaN for one that is nowhere."""
    both = jnp.diagonal(table)
    either = jnp.sum(table, 0) + jnp.sum(table, 1) - both
    return jnp.where(either > 0, both / jnp.maximum(either, 1), jnp.nan)
