"""Convolutional encoders of the RAFT family: frame to features on the 1/8 grid (RAFT, sec. 3.1)."""

import functools
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv
from daflow_jax.nn.batch_norm import BatchNorm
from daflow_jax.nn.instance_norm import InstanceNorm

NormName = Literal["instance", "batch", "none"]


def make_norm(name: NormName, dtype, param_dtype):
    """Returns a constructor taking the sub-module's name; "none" leaves the input alone."""
    if name == "instance":
        return InstanceNorm
    if name == "batch":
        return functools.partial(BatchNorm, dtype=dtype, param_dtype=param_dtype)
    return lambda name: lambda x, train: x


class ResidualBlock(nn.Module):
    """Residual block of RAFT: ReLU also before the sum.

    widths: output channels of each convolution; (c, c) basic, (c/4, c/4, c) bottleneck.
    """

    widths: tuple[int, ...]
    strides: int
    norm: NormName
    bias_init: nn.initializers.Initializer | None = None
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"], train: bool) -> Float[Array, "b ho wo o"]:
        make = functools.partial(
            conv.Conv,
            kernel_init=conv.kaiming_fan_out,
            bias_init=self.bias_init,
            dtype=self.dtype,
            param_dtype=self.param_dtype,
        )
        norm = make_norm(self.norm, self.dtype, self.param_dtype)
        kernels = ((3, 3), (3, 3)) if len(self.widths) == 2 else ((1, 1), (3, 3), (1, 1))
        strided = 0 if len(self.widths) == 2 else 1
        y = x
        for i, (width, kernel) in enumerate(zip(self.widths, kernels)):
            strides = self.strides if i == strided else 1
            y = make(width, kernel, strides, name=f"conv{i + 1}")(y)
            y = nn.relu(norm(name=f"norm{i + 1}")(y, train))
        if self.strides != 1:
            x = make(self.widths[-1], (1, 1), self.strides, name="downsample")(x)
            x = norm(name="downsample_norm")(x, train)
        return nn.relu(x + y)


class Encoder(nn.Module):
    """Features of every frame at 1/8 of its size.

    widths: channels of the stem and of the three stages (64, 64, 96, 128; small 32, 32, 64, 96).
    blocks: residual blocks of each stage; with widths (64, 64, 128, 256) and batch norm these are
        SEA-RAFT's truncated ResNet-18 (2, 2, 2) and ResNet-34 (3, 4, 6).
    bias_init: of the convolutions; None is PyTorch's default.
    """

    features: int
    widths: tuple[int, int, int, int]
    norm: NormName
    bottleneck: bool = False
    blocks: tuple[int, int, int] = (2, 2, 2)
    bias_init: nn.initializers.Initializer | None = None
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, frames: Float[Array, "b h w i"], train: bool = False
    ) -> Float[Array, "b h//8 w//8 c"]:
        make = functools.partial(
            conv.Conv,
            kernel_init=conv.kaiming_fan_out,
            bias_init=self.bias_init,
            dtype=self.dtype,
            param_dtype=self.param_dtype,
        )
        norm = make_norm(self.norm, self.dtype, self.param_dtype)
        x = make(self.widths[0], (7, 7), 2, name="conv1")(frames)
        x = nn.relu(norm(name="norm1")(x, train))
        for stage, width in enumerate(self.widths[1:]):
            quarter = (width // 4, width // 4, width)
            for block in range(self.blocks[stage]):
                x = ResidualBlock(
                    quarter if self.bottleneck else (width, width),
                    strides=2 if stage and not block else 1,
                    norm=self.norm,
                    bias_init=self.bias_init,
                    dtype=self.dtype,
                    param_dtype=self.param_dtype,
                    name=f"layer{stage + 1}_{block}",
                )(x, train)
        return make(self.features, (1, 1), name="conv2")(x)
