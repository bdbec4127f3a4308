"""JFFRA: a flow network for the start, and the network that refines flow and features."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.jffra.block import middle, neighbours
from daflow_jax.models.jffra.config import JFFRAConfig
from daflow_jax.models.jffra.network import Network, Restored
from daflow_jax.ops import pad


class JFFRA(nn.Module):
    """Restores the frame in the middle of 2N + 1 degraded frames."""

    config: JFFRAConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.net = Network(self.config, **kinds)
        if self.config.start:
            from daflow_jax.models import registry  # which lists this model, so not at the top

            self.start = registry.build(registry.preset(self.config.start), **kinds)

    def start_flow(self, frames: Float[Array, "b f h w 3"]) -> Float[Array, "b n h w 2"]:
        """Returns the flow in pixels from the frame in the middle to each other frame.

        Give whole frames, not crops: a flow network sees little in a crop of 64 pixels.
        """
        frames = jnp.clip(frames, 0, 1)
        others = neighbours(frames)
        if not self.config.start:
            return jnp.zeros((*others.shape[:-1], 2))
        first = jnp.broadcast_to(middle(frames)[:, None], others.shape)
        pairs = rearrange(jnp.stack([first, others], 2), "b n p h w c -> (b n) p h w c")
        c = self.start.config
        around = pad.fit((frames.shape[2], frames.shape[3]), c.multiple, c.minimum)
        flow = self.start(pad.pad(pairs, around)).flows[-1]
        flow = pad.crop(flow, around).astype(jnp.float32)
        return jax.lax.stop_gradient(rearrange(flow, "(b n) 1 h w c -> b n h w c", b=len(frames)))

    def __call__(
        self,
        frames: Float[Array, "b f h w 3"],
        start: Float[Array, "b n h w 2"] | None = None,
        noise: Float[Array, "b"] | None = None,
    ) -> Restored:
        """Returns the restored frame and the flow after every block; see `Network`.

        Args:
            start: None computes it on `frames`; zero flow where there is no flow network.
        """
        if start is None:
            start = self.start_flow(frames)
        return self.net(frames, start, noise)
