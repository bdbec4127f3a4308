"""Flow as the expected place of a match, and its spreading by self attention; all in float32."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from daflow_jax.ops import blocks, coords
from daflow_jax.ops.local_correlation import local_correlation

NEVER = -1e9  # score of places outside of the map
QUERIES = 224  # [choice] at once on a CPU; fastest of 32 to 224


def match(
    first: Float[Array, "p h w c"], second: Float[Array, "p h w c"], radius: int
) -> Float[Array, "p h w 2"]:
    """Returns the mean displacement over all places of the second map, or those within `radius`,
    weighted by the softmax of their scores (GMFlow, sec. 3.2); -1 is the whole map.
    """
    first, second = first.astype(jnp.float32), second.astype(jnp.float32)
    p, h, w, _ = first.shape
    if radius < 0:
        grid = coords.pixel_grid(h, w)
        places = jnp.broadcast_to(grid.reshape(1, h * w, 2), (p, h * w, 2))
        return expectation(first, second, places) - grid
    scores = _local_scores(first, second, radius)
    scores = jnp.where(_inside(h, w, radius), scores, NEVER)
    return jax.nn.softmax(scores, axis=-1) @ jnp.asarray(_offsets(radius))


def spread(
    query: Float[Array, "p h w c"],
    key: Float[Array, "p h w c"],
    flow: Float[Array, "p h w 2"],
    radius: int,
) -> Float[Array, "p h w 2"]:
    """Returns the flow of similar places, of the whole map or within `radius` (sec. 3.3).

    Places outside of the map take part with score 0 and flow 0.
    """
    query, key = query.astype(jnp.float32), key.astype(jnp.float32)
    p, h, w, _ = query.shape
    if radius < 0:
        return expectation(query, key, flow.reshape(p, h * w, 2))
    weights = jax.nn.softmax(_local_scores(query, key, radius), axis=-1)
    side = 2 * radius + 1
    around = jnp.pad(flow, ((0, 0), (radius, radius), (radius, radius), (0, 0)))
    shifted = [
        around[:, i // side : i // side + h, i % side : i % side + w] for i in range(side**2)
    ]
    return sum((weights[..., i, None] * x for i, x in enumerate(shifted)), jnp.zeros_like(flow))


def expectation(
    query: Float[Array, "p h w c"], key: Float[Array, "p h w c"], values: Float[Array, "p n 2"]
) -> Float[Array, "p h w 2"]:
    """Returns the mean of the values of all places of `key`, weighted by the softmax of scores."""
    p, h, w, c = query.shape

    def mean(query, key, values):
        def of(query):
            scores = query @ key.T
            return jax.nn.softmax(scores / math.sqrt(c), axis=-1) @ values

        return blocks.by_blocks(of, query, QUERIES)

    flat = (x.reshape(p, -1, c) for x in (query, key))
    return jax.vmap(mean)(*flat, values).reshape(p, h, w, 2)


def _local_scores(first, second, radius):
    channels = first.shape[-1]
    return local_correlation(first, second, radius) * math.sqrt(channels)  # of a mean: c / sqrt(c)


def _offsets(radius: int) -> np.ndarray:
    """Returns (n * n, 2) displacements (x, y), rows before columns."""
    steps = np.arange(-radius, radius + 1, dtype=np.float32)
    y, x = np.meshgrid(steps, steps, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def _inside(h: int, w: int, radius: int) -> Bool[Array, "h w k"]:
    """Returns (h, w, n * n): whether the place is on the map."""
    x, y = _offsets(radius).T
    rows, columns = np.arange(h)[:, None] + y, np.arange(w)[:, None] + x
    sides = (rows >= 0) & (rows < h), (columns >= 0) & (columns < w)
    # behind a barrier, or the compiler makes one large constant of both
    across, along = jax.lax.optimization_barrier(tuple(jnp.asarray(side) for side in sides))
    return across[:, None] & along[None]
