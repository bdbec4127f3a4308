"""Restoration in the space of features: those of degraded frames to those of clean ones."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.daflow_cost.config import LiftConfig

BASE = 100.0  # of the frequencies: grids have tens of places [choice]
_TIMES = 64  # channels that code the time of the diffusion [choice]


class Lift(nn.Module):
    """Transformer over the tokens of all frames; predicts clean features (never a difference to
    the noise), and returns its input where its last layer is new."""

    config: LiftConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "b f h w c"],
        beside: Float[Array, "b f h w d"] | None = None,
        noisy: Float[Array, "b f h w c"] | None = None,
        time: Float[Array, " b"] | None = None,
    ) -> Float[Array, "b f h w c"]:
        """Returns the restored features.

        Args:
            features: of the degraded frames, standardised per channel.
            beside: further descriptors of them.
            noisy: (1 - time) clean + time noise, of a network with diffusion.
        """
        c, kinds = self.config, dict[str, Any](dtype=self.dtype, param_dtype=self.param_dtype)
        inputs = features if beside is None else jnp.concatenate([features, beside], axis=-1)
        x = nn.Dense(c.width, **kinds, name="embed")(inputs)
        if c.diffusion:
            assert noisy is not None and time is not None
            codes = nn.Dense(c.width, **kinds, name="time")(time_codes(time))
            x = x + nn.Dense(c.width, **kinds, name="noisy")(noisy) + codes[:, None, None, None]
        turns = angles(x.shape[1:4], c.width // c.heads)
        for i in range(c.depth):
            x = Block(c, **kinds, name=f"block{i}")(x, turns)
        x = nn.LayerNorm(**kinds, name="norm")(x)
        zeros = nn.initializers.zeros
        return features + nn.Dense(
            features.shape[-1], kernel_init=zeros, **kinds, name="head"
        )(x)  # fmt: skip


class Block(nn.Module):
    """Attention and an MLP, normed before."""

    config: LiftConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b f h w d"], turns: Array) -> Float[Array, "b f h w d"]:
        c, kinds = self.config, dict[str, Any](dtype=self.dtype, param_dtype=self.param_dtype)
        shape = x.shape
        y = nn.LayerNorm(**kinds, name="norm1")(x)
        y = nn.Dense(3 * c.width, use_bias=False, **kinds, name="qkv")(y)
        y = rearrange(y, "b f h w (k n d) -> k b f (h w) n d", k=3, n=c.heads)
        query, key, value = (rotated(y[0], turns), rotated(y[1], turns), y[2])
        if c.attention == "clip":
            together = "b f n h d -> b (f n) h d"
        else:
            together = "b f n h d -> (b f) n h d"
        query, key, value = (rearrange(a, together) for a in (query, key, value))
        y = jax.nn.dot_product_attention(query, key, value).reshape(shape)
        x = x + nn.Dense(c.width, **kinds, name="out")(y)
        y = nn.LayerNorm(**kinds, name="norm2")(x)
        y = nn.gelu(nn.Dense(2 * c.width, **kinds, name="mlp1")(y))
        return x + nn.Dense(c.width, **kinds, name="mlp2")(y)


def angles(size: tuple[int, ...], head: int) -> Float[Array, "f n p"]:
    """Returns the rotations of the tokens of (f, h, w): three eighths of a head's channels by row,
    three by column, the rest by frame; so attention reads differences of places alone."""
    pairs = head // 2
    by_place = pairs * 3 // 8
    counts = (pairs - 2 * by_place, by_place, by_place)
    parts = []
    for axis, count in enumerate(counts):
        place = jnp.arange(size[axis], dtype=jnp.float32)
        turn = place[:, None] * BASE ** (-jnp.arange(count) / count)
        shape = [1, 1, 1, count]
        shape[axis] = size[axis]
        parts.append(jnp.broadcast_to(turn.reshape(shape), (*size, count)))
    return rearrange(jnp.concatenate(parts, axis=-1), "f h w p -> f (h w) p")


def rotated(x: Float[Array, "b f n m d"], turns: Float[Array, "f n p"]) -> Array:
    """Returns queries or keys of m heads, each pair of channels turned."""
    cos, sin = (fn(turns)[None, :, :, None].astype(x.dtype) for fn in (jnp.cos, jnp.sin))
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


def time_codes(time: Float[Array, " b"]) -> Float[Array, "b t"]:
    """Returns sines and cosines of times in [0, 1]."""
    turn = time[:, None] * 1000.0 * 10_000.0 ** (-jnp.arange(_TIMES // 2) / (_TIMES // 2))
    return jnp.concatenate([jnp.sin(turn), jnp.cos(turn)], axis=-1)
