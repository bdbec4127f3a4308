"""The pixel decoder: maps summed from the last to the first, then doubled grids.

The published one shares one norm among its last layers and pads their 1 x 1 convolutions, which
lets the map grow by a border; here every layer has a norm of its own and keeps its size.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.nn import conv

GROUPS = 32


class ConvNorm(nn.Module):
    """A convolution without bias, group norm, and maybe ReLU."""

    features: int
    size: int = 3
    active: bool = True
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w o"]:
        kinds = dict[str, Any](dtype=self.dtype, param_dtype=self.param_dtype)
        x = conv.LinenConv(
            self.features,
            (self.size, self.size),
            use_bias=False,
            kernel_init=nn.initializers.xavier_uniform(),
            **kinds,
            name="conv",
        )(x)
        x = nn.GroupNorm(GROUPS, epsilon=1e-5, **kinds, name="norm")(x)
        return nn.relu(x) if self.active else x


class PixelDecoder(nn.Module):
    """Embeddings of pixels from maps of one grid."""

    width: int
    doublings: int
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, maps: Sequence[Float[Array, "b gh gw i"]]) -> Float[Array, "b h w c"]:
        kinds = dict[str, Any](dtype=self.dtype, param_dtype=self.param_dtype)
        x = ConvNorm(self.width, **kinds, name="last")(maps[-1])
        for level in range(len(maps) - 2, -1, -1):
            side = ConvNorm(self.width, 1, False, **kinds, name=f"lateral{level}")(maps[level])
            x = ConvNorm(self.width, **kinds, name=f"sum{level}")(side + x)
        x = ConvNorm(self.width, **kinds, name="joint")(x)
        for step in range(self.doublings):
            x = jnp.repeat(jnp.repeat(x, 2, 1), 2, 2)
            x = ConvNorm(self.width, 1, **kinds, name=f"mix{step}")(x)
            if step < self.doublings - 1:
                x = ConvNorm(self.width, **kinds, name=f"smooth{step}")(x)
        return conv.Conv(self.width, **kinds, name="embedding")(x)
