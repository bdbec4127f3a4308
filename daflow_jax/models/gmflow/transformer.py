"""Features of both frames that know of each other: self and cross attention in windows."""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.gmflow import windows
from daflow_jax.ops import blocks

HIDDEN = -100.0  # added to the score of tokens of another part of the map
TOKENS = 256  # [choice] of the feed-forward part at once on a CPU; fastest of 256 to 2048


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
            kernel = functools.partial(Kernel, param_dtype=self.param_dtype)
            hidden = 2 * width * self.expansion
            kernels = kernel(hidden, name="mlp1")(2 * width), kernel(width, name="mlp2")(hidden)
            message = feed_forward(*dtypes.promote_dtype(both, *kernels, dtype=self.dtype))
            message = norm(name="norm2")(message)
        return source + message


class Kernel(nn.Module):
    """The kernel of a dense layer without bias."""

    features: int
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, inputs: int) -> Float[Array, "i o"]:
        """Returns the kernel for `inputs` channels."""
        shape = (inputs, self.features)
        # exported weights are NumPy arrays
        return jnp.asarray(
            self.param("kernel", nn.initializers.xavier_uniform(), shape, self.param_dtype)
        )


def feed_forward(
    x: Float[Array, "b h w i"], first: Float[Array, "i m"], second: Float[Array, "m o"]
) -> Float[Array, "b h w o"]:
    """Returns two products with a GELU between them."""

    def tokens(x):
        return nn.gelu(x @ first, approximate=False) @ second

    out = blocks.by_blocks(tokens, x.reshape(-1, x.shape[-1]), TOKENS)
    return out.reshape(*x.shape[:-1], out.shape[-1])


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
    each = (q, k, v)
    if moved:
        # behind a barrier, or the compiler makes one large constant of all comparisons
        part = jax.lax.optimization_barrier(jnp.asarray(windows.regions(size, count)))
        each = (*each, jnp.tile(part, (len(query), 1)))
    out = windows.merge(blocks.by_blocks(_windows, each, 1), count, size)
    return jnp.roll(out, (rows, columns), (1, 2))


def _windows(each):
    """Returns the attention of (query, key, value) n t c, and maybe the parts n t of the tokens."""
    query, key, value, *part = each
    scores = jnp.einsum("nqc,nkc->nqk", query, key, preferred_element_type=jnp.float32)
    scores = scores / math.sqrt(query.shape[-1])
    if part:
        apart = part[0][:, :, None] != part[0][:, None, :]
        scores = scores + jnp.where(apart, HIDDEN, 0.0)
    weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
    return jnp.einsum("nqk,nkc->nqc", weights, value)


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
