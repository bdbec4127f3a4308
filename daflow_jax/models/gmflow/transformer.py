"""Features of both frames that know of each other: self and cross attention in windows."""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.gmflow import windows

HIDDEN = -100.0  # added to the score of tokens of another part of the map


class Layer(nn.Module):
    """Attention from one map to another, then, in cross attention, a feed-forward part."""

    expansion: int = 0  # none
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        source: Float[Array, "b h w c"],
        target: Float[Array, "b h w c"],
        count: int,
        moved: bool,
    ) -> Float[Array, "b h w c"]:
        """count: windows per side. moved: by half a window."""
        width = source.shape[-1]
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        dense = functools.partial(
            nn.Dense, use_bias=False, kernel_init=nn.initializers.xavier_uniform(), **kinds
        )
        norm = functools.partial(nn.LayerNorm, epsilon=1e-5, **kinds)
        query, key, value = (
            dense(width, name=name)(x)
            for name, x in (("q_proj", source), ("k_proj", target), ("v_proj", target))
        )
        message = attend(query, key, value, count, moved and count > 1)
        message = norm(name="norm1")(dense(width, name="merge")(message))
        if self.expansion:
            both = jnp.concatenate([source, message], axis=-1)
            hidden = dense(2 * width * self.expansion, name="mlp1")(both)
            message = dense(width, name="mlp2")(nn.gelu(hidden, approximate=False))
            message = norm(name="norm2")(message)
        return source + message


def attend(
    query: Float[Array, "b h w c"],
    key: Float[Array, "b h w c"],
    value: Float[Array, "b h w c"],
    count: int,
    moved: bool,
) -> Float[Array, "b h w c"]:
    """Returns the attention inside of windows, softmax in float32."""
    size = query.shape[1], query.shape[2]
    rows, columns = windows.shift(size, count) if moved else (0, 0)
    q, k, v = (
        windows.split(jnp.roll(x, (-rows, -columns), (1, 2)), count) for x in (query, key, value)
    )
    scores = jnp.einsum("nqc,nkc->nqk", q, k, preferred_element_type=jnp.float32)
    scores = scores / math.sqrt(q.shape[-1])
    if moved:
        # behind a barrier, or the compiler makes one large constant of all comparisons
        part = jax.lax.optimization_barrier(jnp.asarray(windows.regions(size, count)))
        apart = part[:, :, None] != part[:, None, :]
        scores = scores.reshape(-1, *apart.shape) + jnp.where(apart, HIDDEN, 0.0)
        scores = scores.reshape(-1, *apart.shape[1:])
    weights = jax.nn.softmax(scores, axis=-1).astype(v.dtype)
    out = windows.merge(jnp.einsum("nqk,nkc->nqc", weights, v), count, size)
    return jnp.roll(out, (rows, columns), (1, 2))


class Transformer(nn.Module):
    """Blocks of self and cross attention (GMFlow, sec. 3.1); every second one moves its windows."""

    blocks: int
    expansion: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.own = [Layer(name=f"block{i}_self", **kinds) for i in range(self.blocks)]
        self.cross = [
            Layer(self.expansion, name=f"block{i}_cross", **kinds) for i in range(self.blocks)
        ]

    def __call__(
        self, first: Float[Array, "p h w c"], second: Float[Array, "p h w c"], count: int
    ) -> tuple[Float[Array, "p h w c"], Float[Array, "p h w c"]]:
        """Returns the features of both frames of each pair."""
        both = jnp.concatenate([first, second])
        for i in range(self.blocks):
            both = self.block(i, both, count)
        first, second = jnp.split(both, 2)
        return first, second

    def block(self, index: int, both: Float[Array, "n h w c"], count: int) -> Array:
        """Returns the features after one block; cross attention sees those from before it."""
        other = jnp.concatenate(jnp.split(both, 2)[::-1])
        moved = index % 2 == 1
        both = self.own[index](both, both, count, moved)
        return self.cross[index](both, other, count, moved)
