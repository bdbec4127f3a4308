"""Convolution with PyTorch's padding and initial values, on which RAFT's behaviour rests."""

import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.ops import conv

# Flax's layer around our convolutions, of images and of clips
LinenConv = functools.partial(nn.Conv, conv_general_dilated=conv.convolve)
LinenClipConv = functools.partial(nn.Conv, conv_general_dilated=conv.convolve_clips)


def torch_uniform(rng, shape, dtype=jnp.float32, fan_in: int | None = None):
    """Draws from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default for weights and biases."""
    bound = 1 / math.sqrt(fan_in or math.prod(shape[:-1]))
    return jax.random.uniform(rng, shape, dtype, -bound, bound)


kaiming_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")  # RAFT's encoders


class Conv(nn.Module):
    """Convolution with symmetric padding (k - 1) // 2, unlike "SAME" at stride 2."""

    features: int
    kernel_size: tuple[int, int] = (3, 3)
    strides: int = 1
    kernel_init: nn.initializers.Initializer = torch_uniform
    bias_init: nn.initializers.Initializer | None = None  # None: PyTorch's, by the kernel's fan-in
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b ho wo o"]:
        kernel, bias = self.parameters(x.shape[-1])
        x, kernel, bias = dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return conv.conv2d(x, kernel, (self.strides, self.strides)) + bias

    @nn.compact
    def parameters(self, inputs: int):
        """Returns (kernel, bias) for `inputs` channels."""
        shape = (*self.kernel_size, inputs, self.features)
        kernel = self.param("kernel", self.kernel_init, shape, self.param_dtype)
        default = functools.partial(torch_uniform, fan_in=math.prod(shape[:-1]))
        bias_init = self.bias_init or default
        bias = self.param("bias", bias_init, (self.features,), self.param_dtype)
        return kernel, bias
