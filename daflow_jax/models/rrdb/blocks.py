"""Residual-in-residual dense blocks: their parameters, and what they do as a pure function."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.nn import conv, kernels

CONVS = 5  # of a dense block
DENSE = 3  # dense blocks of a block
SLOPE = 0.2  # of every LeakyReLU
RESIDUAL = 0.2  # share of what a dense block, and a block, adds to its input

Dense = tuple[kernels.Kernel, ...]
Layer = Callable[..., conv.Conv]


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


def run(x: Float[Array, "p h w c"], stacked: Any) -> Float[Array, "p h w c"]:
    """Returns features after all blocks of stacked kernels; one block is compiled."""
    return jax.lax.scan(lambda x, denses: (_block(x, denses), None), x, stacked)[0]


def _block(x, denses):
    inner = x
    for five in denses:
        inner = dense(inner, five)
    return x + RESIDUAL * inner


def dense(x: Float[Array, "p h w c"], five: Dense) -> Float[Array, "p h w c"]:
    """Returns features after one dense block."""
    seen = x
    for kernel in five[:-1]:
        new = nn.leaky_relu(kernels.apply(kernel, seen), SLOPE)
        seen = jnp.concatenate([seen, new], axis=-1)
    return x + RESIDUAL * kernels.apply(five[-1], seen)
