"""ConvNeXt block as SEA-RAFT's update uses it, split into parameters and a pure function."""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv as conv_module
from daflow_jax.nn import loop, norm
from daflow_jax.ops import conv

KERNEL = (7, 7)


class BlockTerms(NamedTuple):
    """What the block applies channel by channel."""

    kernel: Float[Array, "kh kw 1 c"]
    bias: Float[Array, " c"]
    norm_scale: Float[Array, " c"]
    norm_bias: Float[Array, " c"]
    gamma: Float[Array, " c"]


class ConvNeXt(nn.Module):
    """Parameters of a block that maps `inputs` channels to `features` (SEA-RAFT, sec. 3.4)."""

    inputs: int
    features: int
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self) -> tuple[dict[str, loop.Kernel], BlockTerms]:
        inner = 4 * self.features
        layers = {
            "pwconv1": (self.inputs, inner),
            "pwconv2": (inner, self.inputs),
            "final": (self.inputs, self.features),
        }
        make = functools.partial(conv_module.Conv, kernel_size=(1, 1), param_dtype=self.param_dtype)
        kernels = {
            name: make(outputs, name=name).parameters(inputs)
            for name, (inputs, outputs) in layers.items()
        }
        depthwise = conv_module.Conv(
            self.inputs, KERNEL, param_dtype=self.param_dtype, name="dwconv"
        ).parameters(1)
        ones, zeros = nn.initializers.ones, nn.initializers.zeros
        small = nn.initializers.constant(1e-6)
        vectors = (("norm_scale", ones), ("norm_bias", zeros), ("gamma", small))
        return kernels, BlockTerms(
            *depthwise,
            *(self.param(name, init, (self.inputs,), self.param_dtype) for name, init in vectors),
        )


def apply(
    tape: loop.Tape, name: str, terms: BlockTerms, x: Float[Array, "p h w i"]
) -> Float[Array, "p h w o"]:
    """Returns the output of the block called `name`."""
    y = conv.depthwise_conv2d(x, terms.kernel) + terms.bias
    y = norm.layer_norm(y) * terms.norm_scale + terms.norm_bias
    y = nn.gelu(tape.conv(f"{name}/pwconv1", y), approximate=False)
    y = tape.conv(f"{name}/pwconv2", y)
    return tape.conv(f"{name}/final", x + terms.gamma * y)
