"""Residual blocks with batch norm, strided or dilated (He et al., CVPR 2016)."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import batch_norm, conv


class ConvNorm(nn.Module):
    """A convolution without bias (symmetric padding, maybe dilated), and batch norm."""

    features: int
    size: int
    stride: int = 1
    dilation: int = 1
    zero_scale: bool = False
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"], train: bool) -> Float[Array, "b ho wo o"]:
        around = self.dilation * (self.size - 1) // 2
        x = conv.LinenConv(
            self.features,
            (self.size, self.size),
            strides=self.stride,
            padding=around,
            kernel_dilation=self.dilation,
            use_bias=False,
            kernel_init=conv.kaiming_fan_out,
            dtype=self.dtype,
            param_dtype=self.param_dtype,
            name="conv",
        )(x)
        start = nn.initializers.zeros if self.zero_scale else nn.initializers.ones
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        return batch_norm.BatchNorm(scale_init=start, **kinds, name="norm")(x, train)


class Block(nn.Module):
    """A residual block: ReLU after the sum; the shortcut is projected where shapes differ.

    hidden: channels inside. With `bottleneck` 1 x 1, 3 x 3, 1 x 1 (the stride in the 3 x 3), else
    3 x 3, 3 x 3 (the stride in the first).
    """

    features: int
    hidden: int
    bottleneck: bool = True
    stride: int = 1
    dilation: int = 1
    zero_last: bool = False
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"], train: bool) -> Float[Array, "b ho wo o"]:
        make = functools.partial(ConvNorm, dtype=self.dtype, param_dtype=self.param_dtype)
        wide: dict[str, Any] = dict(stride=self.stride, dilation=self.dilation)
        last: dict[str, Any] = dict(zero_scale=self.zero_last)
        if self.bottleneck:
            y = nn.relu(make(self.hidden, 1, name="conv1")(x, train))
            y = nn.relu(make(self.hidden, 3, **wide, name="conv2")(y, train))
            y = make(self.features, 1, **last, name="conv3")(y, train)
        else:
            y = nn.relu(make(self.hidden, 3, **wide, name="conv1")(x, train))
            y = make(self.features, 3, dilation=self.dilation, **last, name="conv2")(y, train)
        if self.stride != 1 or x.shape[-1] != self.features:
            x = make(self.features, 1, self.stride, name="shortcut")(x, train)
        return nn.relu(x + y)
