"""Layers of the RIFE networks: convolutions with their activation."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv, deconv, prelu

LEAK = 0.2  # of the leaky ReLU of 4.2 and later (Practical-RIFE)


class Conv(nn.Module):
    """3x3 convolution, then PReLU, or leaky ReLU if not `learned`."""

    features: int
    strides: int = 1
    learned: bool = True
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b y x o"]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = conv.Conv(self.features, strides=self.strides, name="conv", **kinds)(x)
        return prelu.PReLU(name="act", **kinds)(x) if self.learned else nn.leaky_relu(x, LEAK)


class Deconv(nn.Module):
    """Transposed 4x4 convolution that doubles the sides, then PReLU."""

    features: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b 2*h 2*w o"]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = deconv.Deconv(self.features, name="conv", **kinds)(x)
        return prelu.PReLU(name="act", **kinds)(x)


class Convs(nn.Module):
    """Convolutions in a row, the first with a stride of its own."""

    features: int
    count: int = 2
    strides: int = 1
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b y x o"]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        for i in range(self.count):
            stride = 1 if i else self.strides
            x = Conv(self.features, stride, name=f"conv{i}", **kinds)(x)
        return x


class Residual(nn.Module):
    """leaky(beta conv(x) + x), one beta a channel (4.2 and later)."""

    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        beta = self.param("beta", nn.initializers.ones, x.shape[-1:], self.param_dtype)
        y = conv.Conv(x.shape[-1], name="conv", **kinds)(x)
        return nn.leaky_relu(y * beta.astype(y.dtype) + x, LEAK)
