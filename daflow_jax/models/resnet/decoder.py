"""PooDLe's spatial decoder: the grid of the last stage doubled, with lateral sums (sec. 3)."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.resnet import blocks
from daflow_jax.nn import conv


class SpatialDecoder(nn.Module):
    """Each step: a bottleneck, a bilinear doubling, and then the sum with a 1 x 1 convolution of
    the stage on that grid (the stage itself where it has as many channels).

    widths: channels after each step. factor: hidden channels, as a share of widths / 4.
    """

    widths: tuple[int, ...]
    factor: float
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b gh gw i"],
        laterals: Mapping[int, jax.Array],
        train: bool,
    ) -> Float[Array, "b h w o"]:
        """Returns the finest map; `laterals` are stages by the height of their grid."""
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        for step, width in enumerate(self.widths):
            hidden = int(width // 4 * self.factor)
            x = blocks.Block(width, hidden, **kinds, name=f"block{step}")(x, train)
            size = (len(x), 2 * x.shape[1], 2 * x.shape[2], width)
            x = jax.image.resize(x, size, "linear")
            side = laterals[x.shape[1]]
            if side.shape[-1] != width:
                side = conv.Conv(width, (1, 1), **kinds, name=f"lateral{step}")(side)
            x = x + side
        return x
