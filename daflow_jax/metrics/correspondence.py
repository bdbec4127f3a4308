"""How well features find the same point in the next frame, without any training on top.

Features lie on a grid of tokens (`ops.tokens`). Every token goes to the most similar token of the
next frame, refined among the eight around it; it is scored where the truth is visible and inside.
"""

import math

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float

from daflow_jax.metrics.mean import Mean
from daflow_jax.ops import coords, tokens

SHARPNESS = 4.0  # of the refinement, per standard deviation of a token's similarities [choice]
CHUNK = 1024  # queries whose similarities are in memory at once [choice]
PATCH = 20  # pixels: a side of raw patches, the bar that features have to pass [choice]
STRIDE = 4  # pixels between the raw patches that are searched: they know no tokens [choice]


def matches(
    query: Float[Array, "*b h w c"], key: Float[Array, "*b h w c"]
) -> Float[Array, "*b h w 2"]:
    """Returns flow in tokens from `query` to the most similar (cosine) of `key`."""
    places = _places(tokens.unit(query), tokens.unit(key), jnp.zeros(key.shape[:-1]))
    return places - _grid(query)


def patch_matches(
    frame: Float[Array, "*b y x c"], following: Float[Array, "*b y x c"], patch_size: int
) -> Float[Array, "*b h w 2"]:
    """Returns flow in tokens by the least squared difference of raw patches of 20 x 20 pixels.

    Patches around the tokens' middles are compared with those around every fourth pixel; borders
    are repeated outwards.
    """
    stride, before = math.gcd(patch_size, STRIDE), (PATCH - patch_size) // 2
    margin = patch_size // 2 // stride * stride  # the search begins so far before the first token
    first = _patches(frame, patch_size, before)
    second = _patches(following, stride, before + margin)
    places = _places(2 * first, second, -jnp.sum(jnp.square(second), axis=-1))
    return (stride * places - margin) / patch_size - _grid(first)


def score(
    estimate: Float[Array, "*b h w 2"],
    truth: Float[Array, "*b y x 2"],
    visible: Bool[Array, "*b y x"],
    patch_size: int,
) -> dict[str, Mean]:
    """Returns the end-point error in pixels, "epe", the share of errors below one patch, "pck", and
    that share of the tokens that move by more than one patch, "moving", where zero flow finds none.

    Counted are tokens at whose middle the truth is visible and leads to a place in the frame.

    Args:
        estimate: flow in tokens. truth: flow in pixels of the frame, y = patch_size h and
            x = patch_size w.
        patch_size: the side of a token in pixels, and the radius within which a match is correct:
            no match of whole tokens is nearer than half of it everywhere.
    """
    moved, seen = tokens.flow(truth, visible, patch_size)
    height, width = moved.shape[-3:-1]
    place = tokens.targets(moved).reshape(moved.shape)
    last = jnp.array([width - 0.5, height - 0.5])
    seen &= jnp.all((place >= -0.5) & (place <= last), axis=-1)
    error = jnp.linalg.norm(estimate - moved, axis=-1)
    moving = seen & (jnp.linalg.norm(moved, axis=-1) > 1.0)
    return {
        "epe": Mean.of(patch_size * error, seen),
        "pck": Mean.of(error < 1.0, seen),
        "moving": Mean.of(error < 1.0, moving),
    }


def _places(
    query: Float[Array, "*b h w c"], key: Float[Array, "*b y x c"], bias: Float[Array, "*b y x"]
) -> Float[Array, "*b h w 2"]:
    """Returns the (x, y) of `key` with the largest <query, key> + bias, in chunks of queries."""
    batch, count = query.shape[:-3], math.prod(query.shape[-3:-1])
    height, width = key.shape[-3:-1]

    def frame(given):
        queries, keys, more = given
        return jax.lax.map(
            lambda x: _place((keys @ x + more).reshape(height, width)),
            queries,
            batch_size=min(CHUNK, count),
        )

    flat = (
        query.reshape(-1, count, query.shape[-1]),
        key.reshape(-1, height * width, key.shape[-1]),
        bias.reshape(-1, height * width),
    )
    return jax.lax.map(frame, flat).reshape(*batch, *query.shape[-3:-1], 2)


def _grid(features: Float[Array, "*b h w c"]) -> Float[Array, "h w 2"]:
    return coords.pixel_grid(*features.shape[-3:-1])


def _place(similarity: Float[Array, "h w"]) -> Float[Array, " 2"]:
    """Returns (x, y) of the maximum, refined by a softmax over the 3 x 3 around it."""
    height, width = similarity.shape
    best = jnp.argmax(similarity)
    row, column = jnp.indices((height, width))
    near = (jnp.abs(row - best // width) <= 1) & (jnp.abs(column - best % width) <= 1)
    spread = jnp.maximum(jnp.std(similarity), 1e-12)
    logits = jnp.where(near, SHARPNESS * (similarity - jnp.max(similarity)) / spread, -jnp.inf)
    weight = jax.nn.softmax(logits, axis=(0, 1))
    return jnp.stack([jnp.sum(weight * column), jnp.sum(weight * row)])


def _patches(frame: Array, stride: int, before: int) -> Array:
    """Returns patches (*b, h, w, d), one every `stride` pixels, the first from -`before` on."""
    around = [(0, 0)] * (frame.ndim - 3) + [(PATCH, PATCH)] * 2 + [(0, 0)]
    padded = jnp.pad(frame.astype(jnp.float32), around, mode="edge")
    offset = jnp.arange(PATCH) + PATCH - before
    rows, columns = (
        (jnp.arange(0, length, stride)[:, None] + offset).ravel() for length in frame.shape[-3:-1]
    )
    cut = padded[..., rows, :, :][..., columns, :]
    return rearrange(cut, "... (h i) (w j) c -> ... h w (i j c)", i=PATCH, j=PATCH)
