"""The encoder-decoder of refinement blocks, which takes its start flow as given."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.jffra import levels
from daflow_jax.models.jffra.block import KEEPS, activation, middle
from daflow_jax.models.jffra.config import JFFRAConfig
from daflow_jax.nn import conv


class Restored(NamedTuple):
    """frame: (b, s h, s w, 3) float32, around [0, 1], not clipped.

    flows: (b, f - 1, h_l, w_l, 2) after every block, float32 pixels of that block's own scale; the
    name of a place is its divisor of the size ("4", "2", "1"), with "down" before it on the way
    down.
    """

    frame: Float[Array, "b H W 3"]
    flows: dict[str, Float[Array, "b n hl wl 2"]]


class Network(nn.Module):
    """Restores the frame in the middle of a clip."""

    config: JFFRAConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        frames: Float[Array, "b f h w 3"],
        start: Float[Array, "b n h w 2"],
        noise: Float[Array, "b"] | None = None,
    ) -> Restored:
        """Returns the restored frame and the flow after every block.

        Args:
            frames: about [0, 1]; noise may leave the range. Sides: `config.multiple`.
            start: pixels, from the frame in the middle to each other frame.
            noise: standard deviation in units of the range, read with `config.noise_map` alone.
        """
        c, flows = self.config, {}
        start = start.astype(jnp.float32)
        features, offset = self._embedded(frames, noise), jnp.zeros_like(start)
        skips, last = [], len(c.channels) - 1
        for place in range(last):
            if c.encoder_blocks:
                features, offset = self._level(place, "down", features, start, offset, flows)
            skips.append(features)
            down = levels.Down(
                c.channels[place + 1], c.resampling, name=f"to{place}", **self._kinds
            )
            features = levels.framewise(down, features)
        for place in range(last, -1, -1):
            if place < last:
                up = levels.Up(c.channels[place], c.resampling, name=f"from{place}", **self._kinds)
                features = levels.framewise(up, features, skips[place])
            features, offset = self._level(place, "", features, start, offset, flows)
        return Restored(self._picture(middle(features), middle(frames)), flows)

    @property
    def _kinds(self) -> dict[str, Any]:
        return dict(dtype=self.dtype, param_dtype=self.param_dtype)

    def _embedded(self, frames, noise):
        if self.config.noise_map:
            level = jnp.zeros(len(frames)) if noise is None else noise
            shape = (*frames.shape[:-1], 1)
            plane = jnp.broadcast_to(level[:, None, None, None, None], shape)
            frames = jnp.concatenate([frames, plane.astype(frames.dtype)], axis=-1)
        for place in range(self.config.temporal):
            layer = conv.LinenClipConv(
                self.config.channels[0],
                (3, 3, 3),
                kernel_init=KEEPS,
                name=f"embed{place}",
                **self._kinds,
            )
            frames = activation(layer(frames))
        return frames

    def _level(self, place, way, features, start, offset, flows):
        """Refines at scale 2^-place. What was added to the start travels between scales, so its
        sharp edges survive the coarse ones."""
        divisor, size = 2**place, features.shape[2:4]
        first = levels.resized_flow(start, size)
        refines = divisor >= self.config.finest_cost
        name = f"{way}{divisor}"
        level = levels.Level(self.config.block, refines, name=f"level_{name}", **self._kinds)
        out = level(features, first + levels.resized_flow(offset, size))
        flows[name] = out.flow
        return out.features, out.flow - first

    def _picture(self, x, frame):
        zeros = nn.initializers.zeros  # a new network returns its input
        out = conv.Conv(3, kernel_init=zeros, bias_init=zeros, name="out", **self._kinds)
        if self.config.scale == 1:
            return frame + out(x).astype(jnp.float32)
        x = activation(conv.Conv(64, name="wide", **self._kinds)(x))
        for step in range(2):
            x = conv.Conv(4 * 64, name=f"grow{step}", **self._kinds)(x)
            x = activation(levels.shuffled(x, 2))
        size = (len(frame), *x.shape[1:3], 3)
        grown = jax.image.resize(frame, size, "bilinear")
        return grown + out(x).astype(jnp.float32)
