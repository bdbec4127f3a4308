"""Multiplicative filter networks with Gabor filters (Fathony et al., ICLR 2021)."""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv

INPUT_SCALE = 256.0  # the published code's default


def dense(features: int, inputs: int, name: str, use_bias: bool = True, **kinds) -> nn.Dense:
    """Returns a dense layer with PyTorch's initial values, in full precision: a bijection must
    come back to where it began.
    """
    return nn.Dense(
        features,
        use_bias=use_bias,
        kernel_init=functools.partial(conv.torch_uniform, fan_in=inputs),
        bias_init=functools.partial(conv.torch_uniform, fan_in=inputs),
        precision="highest",
        name=name,
        **kinds,
    )


class Filter(nn.Module):
    """sin(W x + b) exp(-gamma |x - mu|^2 / 2).

    scale: of the initial W, beside sqrt(gamma). alpha: of the Gamma distribution of gamma.
    """

    features: int
    scale: float
    alpha: float
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*b i"]) -> Float[Array, "*b o"]:
        inputs, kind = x.shape[-1], self.param_dtype

        def centres(key, shape, dtype):
            return jax.random.uniform(key, shape, dtype, -1, 1)

        def widths(key, shape, dtype):
            return jax.random.gamma(key, self.alpha, shape, dtype)

        def phases(key, shape, dtype):
            return jax.random.uniform(key, shape, dtype, -math.pi, math.pi)

        def frequencies(key, shape, dtype):
            return conv.torch_uniform(key, shape, dtype) * self.scale * jnp.sqrt(gamma)

        mu = self.param("mu", centres, (self.features, inputs), kind)
        gamma = self.param("gamma", widths, (self.features,), kind)
        kernel = self.param("kernel", frequencies, (inputs, self.features), kind)
        bias = self.param("bias", phases, (self.features,), kind)
        product = functools.partial(jnp.matmul, precision="highest")
        distance = jnp.sum(x**2, -1)[..., None] + jnp.sum(mu**2, -1) - 2 * product(x, mu.T)
        return jnp.sin(product(x, kernel) + bias) * jnp.exp(-0.5 * gamma * distance)


class GaborNet(nn.Module):
    """A first filter, then `layers` times a linear layer multiplied by a filter, then a linear one.

    alpha: of all filters together.
    """

    hidden: int
    features: int
    layers: int
    alpha: float
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*b i"]) -> Float[Array, "*b o"]:
        count, kinds = self.layers + 1, dict[str, Any](param_dtype=self.param_dtype)
        scale, alpha = INPUT_SCALE / math.sqrt(count), self.alpha / count
        filters = [
            Filter(self.hidden, scale, alpha, **kinds, name=f"filter{n}") for n in range(count)
        ]
        y = filters[0](x)
        for number in range(1, count):
            linear = dense(self.hidden, self.hidden, f"linear{number - 1}", **kinds)
            y = filters[number](x) * linear(y)
        return dense(self.features, self.hidden, "out", **kinds)(y)
