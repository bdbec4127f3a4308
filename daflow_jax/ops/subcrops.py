"""Pairs of small crops that follow the flow between two frames (PooDLe, sec. 3; its code, 7518934).

Sizes and midpoints are (rows, columns), boxes (left, top, right, bottom), both in pixels.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from daflow_jax.ops import crops, sample

TRIES = 5  # how often the jitter is drawn again while a crop lands outside


class Drawn(NamedTuple):
    """Crops of one frame and their partners. paired: whether the partner is in the other frame,
    where the flow leads; otherwise it lies around the same midpoint of the same frame.
    """

    online: Float[Array, "*b 4"]
    teacher: Float[Array, "*b 4"]
    paired: Bool[Array, "*b"]


def boxes(
    middle: Int[Array, "*b 2"],
    size: Int[Array, "*b 2"],
    teacher_size: Int[Array, "*b 2"],
    flow: Float[Array, "*b 2"],
    shift: Float[Array, "*b 2"],
    frame: tuple[int, int],
) -> Drawn:
    """Returns the boxes of crops around `middle` and of their partners.

    Args:
        flow: (u, v) at the middle. shift: (rows, columns) that the partner is moved by.
        frame: (height, width). Only the partner's box is cut to the frame.
    """
    bounds = jnp.array(frame, jnp.float32)
    landing = jnp.round(middle + flow[..., ::-1] + shift)
    paired = jnp.all((landing >= 0) & (landing < bounds), -1)
    centre = jnp.where(paired[..., None], landing, middle)
    first = centre - teacher_size // 2
    last = jnp.minimum(first + teacher_size, bounds)
    start = middle - size // 2
    ends = (start, start + size), (jnp.maximum(first, 0), last)
    online, teacher = (
        jnp.concatenate([low[..., ::-1], high[..., ::-1]], -1).astype(jnp.float32)
        for low, high in ends
    )
    return Drawn(online, teacher, paired)


def draw(
    rng: jax.Array,
    flow: Float[Array, "h w 2"],
    count: int,
    low: float = 0.05,
    high: float = 0.3,
    shift: float = 0.1,
) -> Drawn:
    """Returns `count` crops of one frame, spread over a grid of cells, and their partners.

    Args:
        flow: to the other frame, in pixels. low, high: share of the frame's area.
        shift: largest move of the partner, as a share of height and width.
    """
    frame = height, width = flow.shape[0], flow.shape[1]
    keys = jax.random.split(rng, 5)
    size = crops.random_size(keys[0], low, high, frame, count)
    share = jnp.prod(size, -1)[None] / (height * width)
    teacher_size = crops.random_size(keys[1], jnp.minimum(share, high), high, frame, count)
    middle = _middles(keys[2], frame, count, size, round(((low + high) / 2) ** 0.5 * min(frame)))
    at_middle = sample.bilinear(flow, middle[:, None, ::-1].astype(jnp.float32))[:, 0]
    moves = jax.random.uniform(keys[3], (TRIES, count, 2), minval=-shift, maxval=shift)
    moves = moves * jnp.array(frame, jnp.float32)
    tries = jax.vmap(lambda move: boxes(middle, size, teacher_size, at_middle, move, frame))(moves)
    chosen = jnp.argmax(tries.paired, 0)
    return jax.tree.map(lambda x: x[chosen, jnp.arange(count)], tries)


def _middles(rng, frame, count, size, side) -> jax.Array:
    """Returns midpoints in cells that are drawn without replacement where there are enough; each is
    far enough from top and left for its crop.
    """
    rows, columns = (max(1, -(-length // side)) for length in frame)
    order, place = jax.random.split(rng)
    cells = rows * columns
    chosen = jax.random.permutation(order, cells)
    chosen = jnp.tile(chosen, -(-count // cells))[:count]
    corner = jnp.stack([chosen // columns, chosen % columns], -1) * side
    inside = jax.random.uniform(place, (count, 2)) * jnp.minimum(side, jnp.array(frame) - corner)
    middle = jnp.floor(corner + inside).astype(jnp.int32)
    return jnp.clip(middle, size // 2, jnp.array(frame) - 1)
