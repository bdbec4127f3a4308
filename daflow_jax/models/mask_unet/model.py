"""The U-Net: down with strided convolutions, up with nearest neighbours and sums of both."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.mask_unet.config import MaskUNetConfig
from daflow_jax.nn import conv
from daflow_jax.ops import photometric


class Block(nn.Module):
    """Twice: a 3 x 3 convolution, group norm over 8 channels, ReLU; the first may stride."""

    features: int
    stride: int = 1
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b ho wo o"]:
        kinds = dict[str, Any](dtype=self.dtype, param_dtype=self.param_dtype)
        for number, stride in enumerate((self.stride, 1)):
            x = conv.Conv(
                self.features,
                strides=stride,
                kernel_init=conv.kaiming_fan_out,
                **kinds,
                name=f"conv{number}",
            )(x)
            norm = nn.GroupNorm(None, 8, epsilon=1e-5, **kinds, name=f"norm{number}")
            x = nn.relu(norm(x))
        return x


class MaskUNet(nn.Module):
    """Logits of masks of frames; see `MaskUNetConfig`. Each frame is seen by itself."""

    config: MaskUNetConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, clips: Float[Array, "b f h w 3"], train: bool = False
    ) -> Float[Array, "b f hs ws k"]:
        """Returns float32 logits per cell of `config.stride` pixels; clips are in [0, 1]."""
        del train  # there is no batch norm and no dropout
        c, kinds = self.config, dict[str, Any](dtype=self.dtype, param_dtype=self.param_dtype)
        block = functools.partial(Block, **kinds)
        x, maps = photometric.standardise(clips.reshape(-1, *clips.shape[2:])), []
        for level, width in enumerate(c.widths):
            x = block(width, 2 if level else c.stride, name=f"down{level}")(x)
            maps.append(x)
        for level in range(len(c.widths) - 2, -1, -1):
            side = maps[level]
            x = jnp.repeat(jnp.repeat(x, 2, 1), 2, 2)
            x = block(c.widths[level], name=f"up{level}")(jnp.concatenate([x, side], -1))
        logits = conv.Conv(c.masks, (1, 1), **kinds, name="masks")(x).astype(jnp.float32)
        return logits.reshape(*clips.shape[:2], *logits.shape[1:])
