"""RRDB (ESRGAN; Real-ESRGAN, Wang et al., ICCVW 2021): frames four times as large, each alone."""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.rrdb import blocks
from daflow_jax.models.rrdb.config import RRDBConfig
from daflow_jax.nn import conv, kernels, placement


class RRDB(nn.Module):
    """A trunk of dense blocks at the size of the input, then two steps of enlarging."""

    config: RRDBConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        layer = functools.partial(conv.Conv, **kinds)
        self.conv_first = layer(c.width)
        self.blocks = [
            blocks.Block(c.width, c.growth, layer, name=f"block{i}") for i in range(c.blocks)
        ]
        self.conv_body = layer(c.width)
        self.conv_up1, self.conv_up2 = layer(c.width), layer(c.width)
        self.conv_hr, self.conv_last = layer(c.width), layer(3)

    def __call__(
        self, frames: Float[Array, "b f h w 3"], train: bool = False
    ) -> Float[Array, "b f 4*h 4*w 3"]:
        """Returns restored frames, float32 in [0, 1].

        Args:
            frames: float in [0, 1], RGB; any size.
            train: of no effect; there is neither dropout nor a norm.
        """
        del train
        images = rearrange(placement.clip(frames), "b f h w c -> (b f) h w c")
        out = jnp.clip(self.enlarge(images), 0.0, 1.0)
        return rearrange(out, "(b f) h w c -> b f h w c", b=len(frames))

    def enlarge(self, images: Float[Array, "p h w 3"]) -> Float[Array, "p 4*h 4*w 3"]:
        """Returns images four times as large, float32, before they are clipped."""
        first = self.conv_first(images)
        (body,) = self._after(first, (self.config.blocks - 1,))
        x = first + self.conv_body(body)
        for up in (self.conv_up1, self.conv_up2):
            x = nn.leaky_relu(up(_doubled(x)), blocks.SLOPE)
        x = nn.leaky_relu(self.conv_hr(x), blocks.SLOPE)
        return self.conv_last(x).astype(jnp.float32)

    def features(
        self, images: Float[Array, "p h w 3"], after: Sequence[int]
    ) -> list[Float[Array, "p h w c"]]:
        """Returns the features after the blocks `after`, counted from 0, in their order; blocks
        above the last of them do not run."""
        return self._after(self.conv_first(images), after)

    def _after(self, x, chosen):
        every = kernels.cast([block.kernels() for block in self.blocks], self.dtype)
        found, begun = {}, 0
        for block in sorted(set(chosen)):
            x = blocks.run(x, kernels.stack(every[begun : block + 1]))
            found[block], begun = x, block + 1
        return [found[block] for block in chosen]


def _doubled(x: Float[Array, "p h w c"]) -> Float[Array, "p 2*h 2*w c"]:
    """Returns every pixel twice in both directions."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
