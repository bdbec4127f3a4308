"""GMFlow's encoder: features of a frame at 1/8 and 1/4 of its size."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import dtypes
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv
from daflow_jax.nn.instance_norm import InstanceNorm
from daflow_jax.ops import conv as conv_ops


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with instance norm, ReLU also before the sum."""

    width: int
    strides: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b y x o"]:
        make = functools.partial(_Plain, self.width, dtype=self.dtype, param_dtype=self.param_dtype)
        y = nn.relu(InstanceNorm()(make(strides=self.strides, name="conv1")(x)))
        y = nn.relu(InstanceNorm()(make(name="conv2")(y)))
        if self.strides != 1 or x.shape[-1] != self.width:
            x = conv.Conv(
                self.width,
                (1, 1),
                self.strides,
                name="downsample",
                kernel_init=conv.kaiming_fan_out,
                dtype=self.dtype,
                param_dtype=self.param_dtype,
            )(x)
            x = InstanceNorm()(x)
        return nn.relu(x + y)


class Backbone(nn.Module):
    """Residual stages to 1/4 of the size, then one kernel that looks with strides 1 and 2."""

    widths: tuple[int, int, int]
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w 3"]
    ) -> tuple[Float[Array, "b h//8 w//8 c"], Float[Array, "b h//4 w//4 c"]]:
        """Returns the features at 1/8 and at 1/4 of the size; x is a normalised frame."""
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = _Plain(self.widths[0], (7, 7), 2, name="conv1", **kinds)(x)
        x = nn.relu(InstanceNorm(name="norm1")(x))
        for stage, (width, strides) in enumerate(zip(self.widths, (1, 2, 1)), 1):
            for block in range(2):
                name, step = f"layer{stage}_{block}", 1 if block else strides
                x = ResidualBlock(width, step, name=name, **kinds)(x)
        x = conv.Conv(
            self.widths[2], (1, 1), kernel_init=conv.kaiming_fan_out, name="conv2", **kinds
        )(x)
        shared = _Plain(self.widths[2], name="trident", **kinds)
        kernel = shared.kernel(x.shape[-1]).astype(x.dtype)
        return conv_ops.conv2d(x, kernel, (2, 2)), conv_ops.conv2d(x, kernel)


class _Plain(nn.Module):
    """Convolution without bias."""

    features: int
    kernel_size: tuple[int, int] = (3, 3)
    strides: int = 1
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b y x o"]:
        kernel = self.kernel(x.shape[-1])
        x, kernel = dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        return conv_ops.conv2d(x, kernel, (self.strides, self.strides))

    @nn.compact
    def kernel(self, inputs: int) -> Array:
        """Returns the kernel for `inputs` channels."""
        shape = (*self.kernel_size, inputs, self.features)
        # exported weights are NumPy arrays
        return jnp.asarray(self.param("kernel", conv.kaiming_fan_out, shape, self.param_dtype))
