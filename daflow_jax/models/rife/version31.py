"""RIFE 3.1 (HD): flow at half of the size; a U-Net finds mask and residual."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.outputs import InterpolationOutput
from daflow_jax.models.rife import base, block, motion, refine
from daflow_jax.models.rife.base import Frames, Pairs
from daflow_jax.models.rife.config import RIFE31Config
from daflow_jax.ops import rescale

SCALES = (4.0, 2.0, 1.0)


class RIFE31(nn.Module):
    """The frame in the middle of two frames; sides are multiples of 32."""

    config: RIFE31Config
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.blocks = [
            block.PairBlock(c.width, 3, mask=False, name=f"block{i}", **kinds) for i in range(3)
        ]
        self.contextnet = refine.ContextNet(c.context, stem=True, **kinds)
        self.fusionnet = refine.UNet(c.context, stem=True, outputs=4, **kinds)

    def __call__(self, pairs: Pairs, times: Float[Array, " b"], *, scale: float = 1.0) -> Frames:
        """Returns the frames in the middle, whatever `times` says.

        scale: below 1 flow is found on smaller pictures, above 1 on larger ones; a power of two.
        """
        return base.fitting(self._between, pairs, int(32 / min(scale, 1)), times, scale)

    def _between(self, pairs, times, scale):
        flow = rescale.rescale(self.estimate(pairs, times, scale=scale)[-1], 1 / scale) / scale
        return self.synthesize(pairs, flow)

    def estimate(
        self, pairs: Pairs, times: Float[Array, " b"], *, scale: float = 1.0
    ) -> list[Float[Array, "b y x 4"]]:
        """Returns the flow after every block, at half of the size of the frames times `scale` and
        in pixels of that size.
        """
        del times
        first, second = (rescale.rescale(x, scale) for x in base.split(pairs))
        found: list[Array] = []
        for size, find in zip(SCALES, self.blocks, strict=True):
            if not found:
                found.append(find([first, second], None, size, size).flow)
                continue
            full = _doubled(found[-1])
            warped = motion.warped(first, second, full)
            found.append(found[-1] + find(warped, full, size, size).flow)
        return found

    def fuse(self, pairs: Pairs, flow: Float[Array, "b y x 4"]) -> Float[Array, "b h w 4"]:
        """Returns three channels of the residual and the mask's logit, before any activation.

        flow: at half of the size, in pixels of that size.
        """
        first, second = base.split(pairs)
        full = _doubled(flow)
        images = jnp.concatenate([*motion.warped(first, second, full), full], -1)
        out = self.fusionnet(images, self.contextnet(first, second, flow))
        return out.astype(jnp.float32)

    def synthesize(self, pairs: Pairs, flow: Float[Array, "b y x 4"]) -> Frames:
        """Returns the frames that a flow gives, in [0, 1]; `flow` as of `fuse`."""
        out = self.fuse(pairs, flow)
        blend = base.blended(pairs, motion.Motion(_doubled(flow), out[..., 3:]))
        return jnp.clip(blend + 2 * jax.nn.sigmoid(out[..., :3]) - 1, 0, 1)

    def learn(self, pairs: Pairs, times: Float[Array, " b"], target: Frames) -> InterpolationOutput:
        """Returns what the losses of a training compare; there is no teacher."""
        del target
        found = self.estimate(pairs, times)
        flows = jnp.stack([_doubled(flow) for flow in found])
        logit = self.fuse(pairs, found[-1])[..., 3:]
        blends = [base.blended(pairs, motion.Motion(flow, logit)) for flow in flows]
        return InterpolationOutput(self.synthesize(pairs, found[-1]), flows, jnp.stack(blends))


def _doubled(flow):
    """Returns flow at twice its size."""
    return 2 * rescale.rescale(flow, 2.0)
