"""Embeddings: patches and their inverse, positions, time."""

import functools
import math
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv


def patchify(x: Float[Array, "*b h w c"], size: int) -> Float[Array, "*b h/{size} w/{size} p"]:
    """Returns patches as channels, ordered (row, column, channel), channel fastest."""
    *b, h, w, c = x.shape
    x = x.reshape(*b, h // size, size, w // size, size, c)
    return jnp.moveaxis(x, -4, -3).reshape(*b, h // size, w // size, size * size * c)


def unpatchify(x: Float[Array, "*b h w p"], size: int) -> Float[Array, "*b h*{size} w*{size} c"]:
    """Returns the image whose patches are the channels of `x`; the inverse of `patchify`."""
    *b, h, w, p = x.shape
    x = x.reshape(*b, h, w, size, size, p // size**2)
    return jnp.moveaxis(x, -4, -3).reshape(*b, h * size, w * size, p // size**2)


def sinusoid(t: Float[Array, " b"], width: int) -> Float[Array, "b {width}"]:
    """Returns [cos(t w), sin(t w)], w from 1 down to 1/10000; t in 0..1000, also fractional."""
    half = width // 2
    frequency = jnp.exp(-math.log(10000.0) * jnp.arange(half, dtype=jnp.float32) / half)
    angle = t.astype(jnp.float32)[:, None] * frequency
    return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], -1)


@functools.lru_cache(maxsize=8)
def position_line(width: int, table: int, base: int) -> np.ndarray:
    """Returns codes of the positions 0..table-1 of one axis, float32 (table, width).

    [sin(p w), cos(p w)], p = i base / table, w_k = 10000^(-2k/width) (SD3's table, one axis).
    """
    position = np.arange(table, dtype=np.float32) / np.float32(table / base)
    frequency = 1.0 / 10000 ** (np.arange(width // 2, dtype=np.float64) / (width / 2))
    angle = position.astype(np.float64)[:, None] * frequency
    return np.concatenate([np.sin(angle), np.cos(angle)], 1).astype(np.float32)


def position_codes(grid: tuple[int, int], width: int, table: int, base: int) -> np.ndarray:
    """Returns float32 (h, w, width): the centre crop of SD3's table of table x table positions.

    The first half of the channels codes the column, the second half the row. Only the crop is made.
    """
    if max(grid) > table:
        raise ValueError(
            f"the token grid is {grid[0]}x{grid[1]}; the position table ends at {table}: "
            "use a smaller frame or tiles"
        )
    line = position_line(width // 2, table, base)
    rows, columns = (line[(table - n) // 2 :][:n] for n in grid)
    shape = (*grid, width // 2)
    return np.concatenate(
        [np.broadcast_to(columns[None], shape), np.broadcast_to(rows[:, None], shape)], -1
    )


class PatchEmbed(nn.Module):
    """Maps patches to tokens; the kernel has the layout of a strided convolution."""

    width: int
    size: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*b h w c"]) -> Float[Array, "*b gh gw d"]:
        shape = (self.size, self.size, x.shape[-1], self.width)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.width,), self.param_dtype)
        x, kernel, bias = dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return patchify(x, self.size) @ kernel.reshape(-1, self.width) + bias


class ConvStem(nn.Module):
    """Maps an image to tokens by overlapping 3x3 convolutions of stride 2, one per halving.

    For networks trained from scratch: small ones match better with it than with plain patches.
    """

    width: int
    size: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*b h w c"]) -> Float[Array, "*b gh gw d"]:
        lead, halvings = x.shape[:-3], self.size.bit_length() - 1
        x = x.reshape(-1, *x.shape[-3:])
        for i in range(halvings):
            width = max(self.width >> (halvings - 1 - i), min(32, self.width))
            x = conv.LinenConv(
                width,
                (3, 3),
                strides=2,
                padding=1,
                dtype=self.dtype,
                param_dtype=self.param_dtype,
                name=f"conv_{i}",
            )(x)
            if i + 1 < halvings:
                x = nn.gelu(x, approximate=True)
        return x.reshape(*lead, *x.shape[1:])


class EmbedMLP(nn.Module):
    """Maps a vector per clip to the width of the network: dense, SiLU, dense."""

    width: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b c"]) -> Float[Array, "b d"]:
        dense: Callable = functools.partial(
            nn.Dense, self.width, dtype=self.dtype, param_dtype=self.param_dtype
        )
        return dense(name="linear_2")(nn.silu(dense(name="linear_1")(x)))
