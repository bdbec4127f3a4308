"""Depth-wise convolution as shifted products, far faster than a grouped one on a CPU."""

from typing import cast

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float


class DepthwiseConv(nn.Module):
    """Convolves every channel of every map with its own 3x3 kernel; zeros outside."""

    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
        height, width, channels = x.shape[-3:]
        kernel = self.param("kernel", self.kernel_init, (3, 3, 1, channels), self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (channels,), self.param_dtype)
        x, kernel, bias = dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 3) + [(1, 1), (1, 1), (0, 0)])
        taps = [
            x[..., i : i + height, j : j + width, :] * kernel[i, j, 0]
            for i in range(3)
            for j in range(3)
        ]
        return cast(Array, sum(taps, bias))
