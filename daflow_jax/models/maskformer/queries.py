"""The queries: a transformer decoder over one map (DETR's form, post-norm), then an MLP."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn.attention import one_device
from daflow_jax.sharding import axes

_xavier = nn.initializers.xavier_uniform()


def sine_positions(height: int, width: int, channels: int) -> Float[np.ndarray, "n c"]:
    """Returns DETR's code of places: rows in the first half of the channels, columns in the second,
    both normalised to 2 pi; sine and cosine in turns, temperature 10,000.
    """
    half = channels // 2
    rates = 10000.0 ** (2 * (np.arange(half) // 2) / half)
    codes = []
    for length in (height, width):
        place = (np.arange(length) + 1) / (length + 1e-6) * 2 * np.pi
        angle = place[:, None] / rates
        codes.append(np.where(np.arange(half) % 2, np.cos(angle), np.sin(angle)))
    rows = np.broadcast_to(codes[0][:, None], (height, width, half))
    columns = np.broadcast_to(codes[1][None], (height, width, half))
    return np.concatenate([rows, columns], -1).reshape(-1, channels).astype(np.float32)


class Attention(nn.Module):
    """Attention of tokens to others, with a projection of the result."""

    heads: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, query: Array, key: Array, value: Array) -> Float[Array, "b n c"]:
        width = query.shape[-1]
        dense = functools.partial(
            nn.Dense,
            width,
            kernel_init=axes.named(_xavier, "embed", "head_features"),
            dtype=self.dtype,
            param_dtype=self.param_dtype,
        )
        parts = zip(("query", "key", "value"), (query, key, value), strict=True)
        q, k, v = (dense(name=n)(x).reshape(*x.shape[:2], self.heads, -1) for n, x in parts)
        out = one_device.attend(q, k, v, implementation="plain").reshape(query.shape)
        init = axes.named(_xavier, "head_features", "embed")
        return dense(kernel_init=init, name="out")(out)


class Layer(nn.Module):
    """Queries look at each other, then at the map; each step's sum is normalised after it."""

    heads: int
    hidden: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Array, places: Array, memory: Array, grid: Array) -> Array:
        """`places` are the learned codes of the queries, `grid` those of the map's cells."""
        kinds = dict[str, Any](dtype=self.dtype, param_dtype=self.param_dtype)
        norm = functools.partial(nn.LayerNorm, epsilon=1e-5, **kinds)
        attention = functools.partial(Attention, self.heads, **kinds)
        own = attention(name="own")(x + places, x + places, x)
        x = norm(name="norm1")(x + own)
        seen = attention(name="map")(x + places, memory + grid, memory)
        x = norm(name="norm2")(x + seen)
        up = nn.Dense(
            self.hidden, kernel_init=axes.named(_xavier, "embed", "mlp"), **kinds, name="fc1"
        )
        down = nn.Dense(
            x.shape[-1], kernel_init=axes.named(_xavier, "mlp", "embed"), **kinds, name="fc2"
        )
        return norm(name="norm3")(x + down(nn.relu(up(x))))


class QueryDecoder(nn.Module):
    """What every mask's pixels must look like, (b, masks, width)."""

    masks: int
    width: int
    layers: int
    heads: int
    hidden: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, cells: Float[Array, "b gh gw i"]) -> Float[Array, "b k c"]:
        kinds = dict[str, Any](dtype=self.dtype, param_dtype=self.param_dtype)
        grid = sine_positions(cells.shape[1], cells.shape[2], self.width)
        memory = nn.Dense(self.width, kernel_init=_xavier, **kinds, name="project")(cells)
        memory = memory.reshape(len(cells), -1, self.width)
        normal = nn.initializers.normal(1.0)
        places = self.param("places", normal, (self.masks, self.width), self.param_dtype)
        places = jnp.broadcast_to(places, (len(cells), *places.shape)).astype(memory.dtype)
        x = jnp.zeros_like(places)
        for number in range(self.layers):
            layer = Layer(self.heads, self.hidden, **kinds, name=f"layer{number}")
            x = layer(x, places, memory, jnp.asarray(grid, memory.dtype))
        x = nn.LayerNorm(epsilon=1e-5, **kinds, name="norm")(x)
        for name in ("embed1", "embed2"):
            x = nn.relu(nn.Dense(self.width, **kinds, name=name)(x))
        return nn.Dense(self.width, **kinds, name="embed3")(x)
