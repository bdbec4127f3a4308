"""FlowNetS and FlowNetC: one encoder, one decoder, flow at five sizes."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models import levels
from daflow_jax.models.flownet import layers
from daflow_jax.models.flownet.config import FlowNetConfig
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.nn import placement


class FlowNet(nn.Module):
    """Flow of every neighbouring pair of a clip (Dosovitskiy et al., ICCV 2015)."""

    config: FlowNetConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.stem = layers.Stem(c.widths, **kinds)
        if c.correlation:
            self.matching = layers.Matching(c.redirected, c.radius, c.spacing, **kinds)
        self.body = layers.Body(c.widths, **kinds)
        self.decoder = layers.Decoder(c.decoder, c.up_bias, **kinds)

    def __call__(self, frames: Float[Array, "b f h w 3"]) -> FlowOutput:
        """Returns flow k -> k+1 for every pair of neighbours, and the flow of each level.

        frames: RGB in [0, 1]; height and width are multiples of 64.
        """
        first, second = (
            rearrange(placement.clip(x), "b q h w c -> (b q) h w c")
            for x in centred(frames[:, :-1], frames[:, 1:])
        )
        if self.config.correlation:
            maps = self.stem(jnp.concatenate([first, second]))
            (_, skip, _), (_, _, other) = ([half(x) for x in maps] for half in (_first, _second))
            x = self.matching(_first(maps[-1]), other)
        else:
            _, skip, x = self.stem(jnp.concatenate([first, second], axis=-1))
        flows = self.decoder([*self.body(x)[::-1], skip])
        return levels.output(flows[::-1], len(frames))


def _first(x):
    return x[: len(x) // 2]


def _second(x):
    return x[len(x) // 2 :]


def centred(
    first: Float[Array, "b q h w 3"], second: Float[Array, "b q h w 3"]
) -> tuple[Float[Array, "b q h w 3"], Float[Array, "b q h w 3"]]:
    """Returns both frames without their common mean of each channel."""
    mean = (jnp.mean(first, (2, 3), keepdims=True) + jnp.mean(second, (2, 3), keepdims=True)) / 2
    return first - mean, second - mean
