"""Layers of FlowNet: encoders and the decoder that both forms share."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv, deconv
from daflow_jax.ops.local_correlation import local_correlation

SLOPE = 0.1  # of all LeakyReLUs
STEM = {1: (7, 7), 2: (5, 5), 3: (5, 5)}  # kernels of the first levels


def activate(x: Array) -> Array:
    """Returns LeakyReLU with the published slope."""
    return nn.leaky_relu(x, SLOPE)


class Stem(nn.Module):
    """Three strided convolutions, to 1/8 of the size."""

    widths: tuple[int, ...]
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "p h w i"]) -> list[Array]:
        maps = []
        for level, kernel in STEM.items():
            layer = conv.Conv(
                self.widths[level - 1], kernel, 2, name=f"conv{level}",
                dtype=self.dtype, param_dtype=self.param_dtype,
            )  # fmt: skip
            x = activate(layer(x))
            maps.append(x)
        return maps


class Matching(nn.Module):
    """Correlation of both frames' features, beside some features of the first (FlowNetC)."""

    redirected: int
    radius: int
    spacing: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.redirect = conv.Conv(self.redirected, (1, 1), **kinds)

    def __call__(self, first: Float[Array, "p h w c"], second: Float[Array, "p h w c"]) -> Array:
        found = local_correlation(first, second, self.radius, self.spacing)
        return jnp.concatenate([activate(self.redirect(first)), activate(found)], axis=-1)


class Body(nn.Module):
    """From 1/8 down to 1/64 of the size."""

    widths: tuple[int, ...]
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "p h w c"]) -> list[Array]:
        make = functools.partial(conv.Conv, dtype=self.dtype, param_dtype=self.param_dtype)
        x = activate(make(self.widths[2], name="conv3_1")(x))
        maps = [x]
        for level in (4, 5, 6):
            width = self.widths[level - 1]
            x = activate(make(width, strides=2, name=f"conv{level}")(x))
            x = activate(make(width, name=f"conv{level}_1")(x))
            maps.append(x)
        return maps


class Decoder(nn.Module):
    """Flow at 1/64 to 1/4 of the size in units of 20 pixels, float32, the smallest first."""

    widths: tuple[int, ...]
    up_bias: bool
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, maps: list[Float[Array, "p _ _ _"]]) -> list[Float[Array, "p _ _ 2"]]:
        """maps: of the encoder, from 1/64 to 1/4."""
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        stack, flows = maps[0], []
        for level, skipped, width in zip((5, 4, 3, 2), maps[1:], self.widths, strict=True):
            predict = conv.Conv(2, name=f"predict_flow{level + 1}", **kinds)
            flows.append(predict(stack).astype(jnp.float32))
            enlarge = deconv.Deconv(
                2, self.up_bias, name=f"upsample{level + 1}",
                dtype=jnp.float32, param_dtype=self.param_dtype,
            )  # fmt: skip
            flow = enlarge(flows[-1]).astype(skipped.dtype)
            features = activate(deconv.Deconv(width, name=f"deconv{level}", **kinds)(stack))
            stack = jnp.concatenate([skipped, features, flow], axis=-1)
        flows.append(conv.Conv(2, name="predict_flow2", **kinds)(stack).astype(jnp.float32))
        return flows
