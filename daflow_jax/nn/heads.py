"""Heads of self-supervised training, which are left out of what is exported."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import batch_norm, conv


def _dense(features: int, name: str, inputs: int, use_bias: bool, dtype, param_dtype) -> nn.Dense:
    """Returns a dense layer with PyTorch's initial values."""
    return nn.Dense(
        features,
        use_bias=use_bias,
        kernel_init=conv.torch_uniform,
        bias_init=functools.partial(conv.torch_uniform, fan_in=inputs),
        dtype=dtype,
        param_dtype=param_dtype,
        name=name,
    )


class ProjectionMLP(nn.Module):
    """Projector or predictor: dense, batch norm, ReLU, dense, over the last axis (BYOL's form).

    On maps of cells it is two 1 x 1 convolutions. FlowE and PooDLe have 4096 hidden and 256 output
    channels; FlowE's first layer has no bias, PooDLe's has one.
    """

    hidden: int
    features: int
    first_bias: bool = True
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*b i"], train: bool = False) -> Float[Array, "*b o"]:
        kinds = self.dtype, self.param_dtype
        x = _dense(self.hidden, "dense1", x.shape[-1], self.first_bias, *kinds)(x)
        x = batch_norm.BatchNorm(dtype=kinds[0], param_dtype=kinds[1], name="norm")(x, train)
        return _dense(self.features, "dense2", self.hidden, True, *kinds)(nn.relu(x))


class DenseNeck(nn.Module):
    """DenseCL's neck: an MLP of the pooled map, another one of every cell, no norms.

    Returns (global (b, c), cells (b, gh gw, c), mean of the cells (b, c)), not normalised.
    """

    hidden: int
    features: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, maps: Float[Array, "b gh gw i"], train: bool = False
    ) -> tuple[Float[Array, "b o"], Float[Array, "b n o"], Float[Array, "b o"]]:
        del train
        pooled = self._mlp(jnp.mean(maps, (1, 2)), "global")
        cells = self._mlp(maps, "cells")
        cells = cells.reshape(len(cells), -1, self.features)
        return pooled, cells, jnp.mean(cells, 1)

    def _mlp(self, x, name):
        kinds = self.dtype, self.param_dtype
        x = _dense(self.hidden, f"{name}1", x.shape[-1], True, *kinds)(x)
        return _dense(self.features, f"{name}2", self.hidden, True, *kinds)(nn.relu(x))


class DINOHead(nn.Module):
    """DINO's head: three dense layers with GELU, unit length, a weight-normalised last layer.

    hidden, bottleneck, features: 2048, 256 and 65536 as published. gain: whether the lengths of
    the last layer's vectors are learned (`norm_last_layer` False); otherwise they are 1.
    """

    hidden: int
    bottleneck: int
    features: int
    gain: bool = True
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*b i"], train: bool = False) -> Float[Array, "*b o"]:
        del train
        small: Callable = nn.initializers.truncated_normal(0.02)
        make = functools.partial(
            nn.Dense, kernel_init=small, dtype=self.dtype, param_dtype=self.param_dtype
        )
        for number in (1, 2):
            x = make(self.hidden, name=f"dense{number}")(x)
            x = nn.gelu(x, approximate=False)
        x = make(self.bottleneck, name="dense3")(x).astype(jnp.float32)
        x = x * jax.lax.rsqrt(jnp.maximum(jnp.sum(jnp.square(x), -1, keepdims=True), 1e-24))
        shape = (self.bottleneck, self.features)
        direction = self.param("direction", conv.torch_uniform, shape, self.param_dtype)
        direction = direction.astype(jnp.float32)
        kernel = direction / jnp.linalg.norm(direction, axis=0, keepdims=True)
        if self.gain:
            ones = nn.initializers.ones
            kernel = kernel * self.param("gain", ones, (self.features,), self.param_dtype)
        return x @ kernel
