"""The residual network: frames to maps of features, and to one vector a frame."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.resnet import blocks, decoder
from daflow_jax.models.resnet.config import ResNetConfig
from daflow_jax.ops import photometric


class Trunk(nn.Module):
    """Stem and four stages; returns the stages' maps, the last one on the coarsest grid."""

    config: ResNetConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"], train: bool) -> list[Float[Array, "b hs ws c"]]:
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = blocks.ConvNorm(c.stem, 7, 2, **kinds, name="stem")(x, train)
        around = jnp.pad(nn.relu(x), ((0, 0), (1, 1), (1, 1), (0, 0)))  # zeros are the least here
        x = nn.max_pool(around, (3, 3), (2, 2))
        stride, dilation, maps = 4, 1, []
        for stage, (width, count) in enumerate(zip(c.widths, c.blocks, strict=True)):
            step, before = (2 if stage else 1), dilation
            if stage and stride == c.output_stride:
                step, dilation = 1, 2 * dilation
            stride *= step
            for block in range(count):
                x = blocks.Block(
                    width,
                    width // 4 if c.bottleneck else width,
                    c.bottleneck,
                    stride=1 if block else step,
                    dilation=dilation if block else before,  # as torchvision and timm do
                    zero_last=c.zero_last,
                    **kinds,
                    name=f"stage{stage + 1}_{block}",
                )(x, train)
            maps.append(x)
        return maps


class ResNet(nn.Module):
    """Features of frames; see `ResNetConfig`. Each frame is seen by itself."""

    config: ResNetConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.trunk = Trunk(self.config, **kinds)
        if self.config.decoder:
            widths, factor = self.config.decoder, self.config.decoder_factor
            self.decoder = decoder.SpatialDecoder(widths, factor, **kinds)

    def __call__(
        self, clips: Float[Array, "b f h w 3"], train: bool = False
    ) -> Float[Array, "b f gh gw c"]:
        """Returns a vector per cell of `config.stride` pixels.

        Args:
            clips: in [0, 1]. train: normalise by statistics of the batch.
        """
        images, lead = clips.reshape(-1, *clips.shape[2:]), clips.shape[:2]
        maps = self.trunk(photometric.standardise(images), train)
        x = maps[-1]
        if self.config.decoder:
            x = self.decoder(x, {m.shape[1]: m for m in maps}, train)
        return x.reshape(*lead, *x.shape[1:])

    def pooled(
        self, clips: Float[Array, "b f h w 3"], train: bool = False
    ) -> Float[Array, "b f c"]:
        """Returns the mean over the cells of the last stage, without the decoder."""
        images, lead = clips.reshape(-1, *clips.shape[2:]), clips.shape[:2]
        x = self.trunk(photometric.standardise(images), train)[-1]
        return jnp.mean(x, (1, 2)).reshape(*lead, -1)
