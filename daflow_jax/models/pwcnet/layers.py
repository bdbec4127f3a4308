"""Layers of PWC-Net: feature pyramid, dense decoder, context network."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv, deconv

SLOPE = 0.1  # of all LeakyReLUs
# Kaiming's rule by fan-in, which PyTorch counts from a kernel's second axis in deconvolutions too
_KAIMING = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
_KAIMING_DECONV = nn.initializers.variance_scaling(2.0, "fan_in", "normal", -1, -2)
_ZEROS = nn.initializers.zeros
Conv = functools.partial(conv.Conv, kernel_init=_KAIMING, bias_init=_ZEROS)
Deconv = functools.partial(deconv.Deconv, kernel_init=_KAIMING_DECONV, bias_init=_ZEROS)


def activate(x: Array) -> Array:
    """Returns LeakyReLU with the published slope."""
    return nn.leaky_relu(x, SLOPE)


class Pyramid(nn.Module):
    """Features of frames at 1/2, 1/4 ... of their size, the largest first."""

    widths: tuple[int, ...]
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> list[Array]:
        make = functools.partial(Conv, dtype=self.dtype, param_dtype=self.param_dtype)
        levels = []
        for level, width in enumerate(self.widths, 1):
            for name, strides in (("a", 2), ("aa", 1), ("b", 1)):
                layer = make(width, strides=strides, name=f"conv{level}{name}")
                x = activate(layer(x))
            levels.append(x)
        return levels


class Decoder(nn.Module):
    """Flow of one level, in units of 20 pixels, from all that is known of it.

    Every convolution sees all earlier ones; new features stand in front. `enlarge` gives flow and
    two further channels to the next level.
    """

    widths: tuple[int, ...]
    last: bool = False  # nothing is given on
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.convs = [Conv(n, name=f"conv{i}", **kinds) for i, n in enumerate(self.widths)]
        self.predict_flow = Conv(2, **kinds)
        if not self.last:
            self.deconv = Deconv(2, dtype=jnp.float32, param_dtype=self.param_dtype)
            self.upfeat = Deconv(2, **kinds)

    def __call__(
        self, x: Float[Array, "p h w i"]
    ) -> tuple[Float[Array, "p h w 2"], Float[Array, "p h w o"]]:
        """Returns the flow, float32, and the stack of features that it was predicted from."""
        for layer in self.convs:
            x = jnp.concatenate([activate(layer(x)), x], axis=-1)
        return self.predict_flow(x).astype(jnp.float32), x

    def enlarge(
        self, flow: Float[Array, "p h w 2"], stack: Float[Array, "p h w o"]
    ) -> tuple[Float[Array, "p 2*h 2*w 2"], Float[Array, "p 2*h 2*w 2"]]:
        """Returns flow and features at twice the size."""
        return self.deconv(flow), self.upfeat(stack)


class Context(nn.Module):
    """What dilated convolutions add to the flow of the last level (sec. 3)."""

    widths: tuple[int, ...]
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "p h w o"]) -> Float[Array, "p h w 2"]:
        make = functools.partial(
            conv.LinenConv,
            kernel_size=(3, 3),
            kernel_init=_KAIMING,
            bias_init=_ZEROS,
            dtype=self.dtype,
            param_dtype=self.param_dtype,
        )
        for i, (width, dilation) in enumerate(zip(self.widths, (1, 2, 4, 8, 16, 1)), 1):
            layer = make(width, kernel_dilation=dilation, padding=dilation, name=f"conv{i}")
            x = activate(layer(x))
        return make(2, padding=1, name="conv7")(x).astype(jnp.float32)
