"""Contrast of a query with its positive and a queue of negatives (MoCo; DenseCL, CVPR 2021)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from daflow_jax import errors

TEMPERATURE = 0.2  # DenseCL, configs/selfsup/densecl


class Queue(NamedTuple):
    """The newest keys of earlier batches. rows: unit vectors. pointer: the next row to replace."""

    rows: Float[Array, "k c"]
    pointer: Int[Array, ""]


def start(rng: jax.Array, size: int, width: int) -> Queue:
    """Returns a queue of random unit vectors."""
    rows = jax.random.normal(rng, (size, width), jnp.float32)
    return Queue(rows / jnp.linalg.norm(rows, axis=-1, keepdims=True), jnp.int32(0))


def check(size: int, batch: int) -> None:
    """Raises UserError unless batches of this size fill a queue without a rest."""
    if batch < 1 or size % batch:
        near = [n for n in range(1, size + 1) if size % n == 0]
        nearest = min(near, key=lambda n: abs(n - batch))
        rule = f"{size} rows; a batch of {batch} clips does not divide it"
        remedy = f"Use a multiple of {batch}, such as {max(size // max(batch, 1), 1) * batch}"
        remedy += f", or batches of {nearest}"
        raise errors.UserError("config.task.queue", rule, remedy)


def push(queue: Queue, keys: Float[Array, "b c"]) -> Queue:
    """Returns the queue with the keys of the whole batch in place of its oldest ones."""
    size, count = len(queue.rows), len(keys)
    check(size, count)
    # a mask, not a slice at a traced place, which a mesh would gather
    place = jnp.mod(jnp.arange(size) - queue.pointer, size)
    tiled = jnp.tile(keys.astype(queue.rows.dtype), (size // count, 1))
    turned = jnp.roll(tiled, queue.pointer, axis=0)
    rows = jnp.where((place < count)[:, None], turned, queue.rows)
    return Queue(rows, jnp.mod(queue.pointer + count, size).astype(jnp.int32))


def info_nce(
    query: Float[Array, "n c"],
    positive: Float[Array, "n"],
    negatives: Float[Array, "k c"],
    temperature: float = TEMPERATURE,
) -> Float[Array, "n"]:
    """Returns the cross-entropy of finding the positive among the negatives.

    Args:
        positive: similarity of each query to its own key. query, negatives: unit vectors.
    """
    positive = positive.astype(jnp.float32)
    against = jnp.einsum("nc,kc->nk", query, negatives, preferred_element_type=jnp.float32)
    logits = jnp.concatenate([positive[:, None], against], 1) / temperature
    return jax.nn.logsumexp(logits, axis=1) - logits[:, 0]


def correspondence(
    query: Float[Array, "b n c"], key: Float[Array, "b m c"]
) -> tuple[Int[Array, "b n"], Float[Array, "b n"]]:
    """Returns for every cell of the query the cell of the key with the highest cosine, and by how
    much that is above the second one.
    """
    similarity = jnp.einsum("bnc,bmc->bnm", query, key, preferred_element_type=jnp.float32)
    best = jax.lax.top_k(similarity, min(2, key.shape[1]))[0]
    return jnp.argmax(similarity, -1).astype(jnp.int32), best[..., 0] - best[..., -1]
