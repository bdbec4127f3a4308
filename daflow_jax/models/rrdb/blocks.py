"""Residual-in-residual dense blocks: their parameters, and what they do as a pure function."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv as layers
from daflow_jax.ops import conv

CONVS = 5  # of a dense block
DENSE = 3  # dense blocks of a block
SLOPE = 0.2  # of every LeakyReLU
RESIDUAL = 0.2  # share of what a dense block, and a block, adds to its input

Kernel = tuple[Array, Array]
Dense = tuple[Kernel, ...]
Layer = Callable[..., layers.Conv]


class DenseBlock(nn.Module):
    """The parameters of five 3 x 3 convolutions, each of which sees all before it."""

    width: int
    growth: int
    layer: Layer

    def setup(self):
        last = CONVS - 1
        for i in range(CONVS):
            features = self.width if i == last else self.growth
            setattr(self, f"conv{i + 1}", self.layer(features))

    def kernels(self) -> Dense:
        """Returns (kernel, bias) of each convolution."""
        inputs = (self.width + i * self.growth for i in range(CONVS))
        return tuple(getattr(self, f"conv{i + 1}").parameters(n) for i, n in enumerate(inputs))


class Block(nn.Module):
    """The parameters of three dense blocks."""

    width: int
    growth: int
    layer: Layer

    def setup(self):
        for i in range(DENSE):
            setattr(self, f"dense{i + 1}", DenseBlock(self.width, self.growth, self.layer))

    def kernels(self) -> tuple[Dense, ...]:
        """Returns (kernel, bias) of each convolution of each dense block."""
        return tuple(getattr(self, f"dense{i + 1}").kernels() for i in range(DENSE))


def stacked(blocks: list[tuple[Dense, ...]], dtype: DTypeLike | None) -> Any:
    """Returns the kernels of several blocks as one tree with a leading axis of blocks."""

    def stack(*arrays):
        return jnp.stack(arrays).astype(dtypes.canonicalize_dtype(*arrays, dtype=dtype))

    return jax.tree.map(stack, *blocks)


def run(x: Float[Array, "p h w c"], kernels: Any) -> Float[Array, "p h w c"]:
    """Returns features after all blocks of `stacked` kernels, one block compiled."""
    return jax.lax.scan(lambda x, block: (_block(x, block), None), x, kernels)[0]


def _block(x, denses):
    inner = x
    for kernels in denses:
        inner = dense(inner, kernels)
    return x + RESIDUAL * inner


def dense(x: Float[Array, "p h w c"], kernels: Dense) -> Float[Array, "p h w c"]:
    """Returns features after one dense block."""
    seen = x
    for kernel, bias in kernels[:-1]:
        new = nn.leaky_relu(conv.loop_conv2d(seen, kernel) + bias, SLOPE)
        seen = jnp.concatenate([seen, new], axis=-1)
    kernel, bias = kernels[-1]
    return x + RESIDUAL * (conv.loop_conv2d(seen, kernel) + bias)
