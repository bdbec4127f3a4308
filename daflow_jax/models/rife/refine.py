"""What the flow cannot say: context features warped along it, and a U-Net's residual."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.rife import layers, motion
from daflow_jax.nn import conv, deconv
from daflow_jax.ops import rescale

Pair = tuple[Array, Array]


class ContextNet(nn.Module):
    """Features of both frames at four sizes, each warped to the new frame.

    width: channels of the first size; each further one has twice as many. stem: 3.1: a level
    before the first, and flow at half of the size. fine: 2R: the first size is the frames' own.
    """

    width: int
    stem: bool = False
    fine: bool = False
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, first: Float[Array, "b h w 3"], second: Float[Array, "b h w 3"], flow: Array
    ) -> list[Pair]:
        """Returns the features of the first and of the second frame at every size.

        flow: (b, y, x, 4) in pixels of its own size: that of the frames, with a stem half of it.
        """
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = jnp.concatenate([first, second])
        if self.stem:
            x = layers.Convs(self.width, 2, 2, name="conv0", **kinds)(x)
        out = []
        for i in range(4):
            keep = self.fine and i == 0
            x = layers.Convs(self.width << i, 2, 1 if keep else 2, name=f"conv{i + 1}", **kinds)(x)
            if not keep:
                flow = rescale.rescale(flow, 0.5) * 0.5
            before, after = jnp.split(x, 2)
            out.append(motion.warped(before, after, flow))
        return out


class UNet(nn.Module):
    """An encoder that takes the warped context at every size, and its decoder.

    width: of the context. stem: 3.1: a level before the first, and a transposed convolution to the
    full size at the end. fine: 2R: the first level keeps the size, the last layer halves it.
    """

    width: int
    stem: bool = False
    fine: bool = False
    outputs: int = 3
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w i"], contexts: list[Pair]
    ) -> Float[Array, "b h w o"]:
        """Returns `outputs` channels at the size of the images, before any activation."""
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x, c = images, self.width
        if self.stem:
            x = layers.Convs(c, 2, 2, name="conv0", **kinds)(x)
        levels = []
        for i in range(4):
            inputs = [x, *contexts[i - 1]] if i else [x]
            strides = 1 if self.fine and i == 0 else 2
            x = layers.Convs(2 * c << i, 2, strides, name=f"down{i}", **kinds)(
                jnp.concatenate(inputs, -1)
            )
            levels.append(x)
        for i, skip in enumerate((contexts[3], levels[2:3], levels[1:2], levels[:1])):
            x = jnp.concatenate([x, *skip], -1)
            x = layers.Deconv(8 * c >> i, name=f"up{i}", **kinds)(x)
        if self.stem:
            return deconv.Deconv(self.outputs, name="conv", **kinds)(x)
        strides = 2 if self.fine else 1
        return conv.Conv(self.outputs, strides=strides, name="conv", **kinds)(x)
