"""Two ends of a clip, a frame between them, and what may be done to all three alike."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Triplets(NamedTuple):
    """pairs: the ends. times: of the frame between, 0 = the first end. target: that frame."""

    pairs: Float[Array, "b 2 h w 3"]
    times: Float[Array, " b"]
    target: Float[Array, "b h w 3"]


def middle(clips: Float[Array, "b f h w 3"]) -> Triplets:
    """Returns the ends of every clip and the frame in the middle (the later of two)."""
    last = clips.shape[1] - 1
    return at(clips, jnp.full(len(clips), (last + 1) // 2))


def at(clips: Float[Array, "b f h w 3"], inner: Array) -> Triplets:
    """Returns the ends of every clip and its frame number `inner` (b,)."""
    target = jnp.take_along_axis(clips, inner[:, None, None, None, None], 1)[:, 0]
    times = (inner / (clips.shape[1] - 1)).astype(jnp.float32)
    return Triplets(jnp.stack([clips[:, 0], clips[:, -1]], 1), times, target)


def draw(rng: jax.Array, clips: Float[Array, "b f h w 3"], any_time: bool) -> Triplets:
    """Returns triplets as RIFE's training draws them (dataset.py).

    Colours, rows, columns and time are reversed, each in half of the clips; square clips are turned
    by 90, 180 or 270 degrees, each in a quarter. Crops are the data's own size.

    any_time: draw the inner frame as well, else take the middle.
    """
    keys, count = jax.random.split(rng, 6), len(clips)
    if any_time:
        inner = jax.random.randint(keys[0], (count,), 1, clips.shape[1] - 1)
        three = at(clips, inner)
    else:
        three = middle(clips)
    chances = [jax.random.bernoulli(key, 0.5, (count,)) for key in keys[1:5]]
    for axis, chosen in zip((-1, -3, -2), chances):  # colours, rows, columns
        three = _where(chosen, _both(lambda x, axis=axis: jnp.flip(x, axis), three), three)
    reversed_ = Triplets(three.pairs[:, ::-1], 1 - three.times, three.target)
    three = _where(chances[3], reversed_, three)
    if clips.shape[2] != clips.shape[3]:
        return three
    quarters = jax.random.randint(keys[5], (count,), 0, 4)
    for bit, turns in ((1, 1), (2, 2)):
        turned = _both(lambda x, n=turns: jnp.rot90(x, n, (x.ndim - 3, x.ndim - 2)), three)
        three = _where((quarters & bit) > 0, turned, three)
    return three


def _both(function, three: Triplets) -> Triplets:
    return three._replace(pairs=function(three.pairs), target=function(three.target))


def _where(chosen, new: Triplets, old: Triplets) -> Triplets:
    def pick(a, b):
        return jnp.where(chosen.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, new, old)
