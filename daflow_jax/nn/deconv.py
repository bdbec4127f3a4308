"""Transposed 4 x 4 convolution that doubles the size, as PyTorch's ConvTranspose2d(4, 2, 1)."""

import functools

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn.conv import torch_uniform
from daflow_jax.ops import conv

SIDE = 4


def from_torch(x: np.ndarray) -> np.ndarray:
    """Returns (4, 4, in, out), our layout, from PyTorch's (in, out, 4, 4)."""
    return x.transpose(2, 3, 0, 1)


class Deconv(nn.Module):
    """Doubles height and width; the kernel is (4, 4, in, out), PyTorch's (in, out, 4, 4) moved.

    kernel_init, bias_init: None is PyTorch's default, whose fan-in counts the output's channels.
    """

    features: int
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer | None = None
    bias_init: nn.initializers.Initializer | None = None
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b 2*h 2*w {self.features}"]:
        default = functools.partial(torch_uniform, fan_in=SIDE * SIDE * self.features)
        shape = (SIDE, SIDE, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init or default, shape, self.param_dtype)
        bias = None
        if self.use_bias:
            bias_init = self.bias_init or default
            bias = self.param("bias", bias_init, (self.features,), self.param_dtype)
        x, kernel, bias = dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        out = deconv2d(x, kernel)
        return out if bias is None else out + bias


def deconv2d(
    x: Float[Array, "b h w i"], kernel: Float[Array, "4 4 i o"]
) -> Float[Array, "b 2*h 2*w o"]:
    """Returns the transposed convolution of stride 2 and padding 1.

    Each of the four phases of the result reads a 2 x 2 neighbourhood of `x` with every second tap
    of the kernel. One convolution makes all four, with as many products as the definition has;
    XLA's own form multiplies three zeros for each value.
    """
    b, h, w, inputs = x.shape
    outputs = kernel.shape[-1]
    taps = kernel[::-1, ::-1].reshape(2, 2, 2, 2, inputs, outputs)  # row, its phase, column, its
    taps = taps.transpose(0, 2, 4, 1, 3, 5).reshape(2, 2, inputs, 4 * outputs)
    around = ((1, 1), (1, 1))
    phases = conv.convolve(x, taps, (1, 1), around, dimension_numbers=conv.LAYOUT)
    phases = phases.reshape(b, h + 1, w + 1, 2, 2, outputs)
    rows = [
        jnp.stack([phases[:, i : i + h, j : j + w, i, j] for j in range(2)], axis=3)
        for i in range(2)
    ]
    return jnp.stack(rows, axis=2).reshape(b, 2 * h, 2 * w, outputs)
