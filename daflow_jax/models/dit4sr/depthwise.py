"""Depth-wise convolution with learned 3x3 kernels."""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.ops import conv


class DepthwiseConv(nn.Module):
    """Convolves every channel of every map with its own 3x3 kernel; zeros outside."""

    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
        channels = x.shape[-1]
        kernel = self.param("kernel", self.kernel_init, (3, 3, 1, channels), self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (channels,), self.param_dtype)
        x, kernel, bias = dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return conv.depthwise_conv2d(x, kernel) + bias
