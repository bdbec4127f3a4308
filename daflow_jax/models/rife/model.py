"""The paper's RIFE: flow from coarse to fine, a blend, and the residual of a U-Net."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.outputs import InterpolationOutput
from daflow_jax.models.rife import base, block, motion, refine
from daflow_jax.models.rife.base import Frames, Pairs
from daflow_jax.models.rife.config import RIFEConfig
from daflow_jax.models.rife.motion import Motion


class RIFE(nn.Module):
    """The frame between two frames (RIFE, sec. 3).

    Frames are float in [0, 1], sides multiples of 32 (16 suffices at scale 1).
    """

    config: RIFEConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.blocks = [
            block.Block(width, c.fine, name=f"block{i}", **kinds)
            for i, width in enumerate(c.widths)
        ]
        if c.teacher:
            self.block_tea = block.Block(c.widths[-1], c.fine, **kinds)
        self.contextnet = refine.ContextNet(c.context, fine=c.fine, **kinds)
        self.unet = refine.UNet(c.context, fine=c.fine, **kinds)

    def __call__(self, pairs: Pairs, times: Float[Array, " b"], *, scale: float = 1.0) -> Frames:
        """Returns the new frames.

        Args:
            times: in (0, 1), 0 = the first frame; networks without `config.time` ignore them and
                return the middle.
            scale: below 1 flow is found on smaller pictures (for large motion or frames), above 1
                on larger ones; a power of two.
        """
        if self.is_initializing() and self.config.teacher:
            return self.learn(pairs, times, pairs[:, 0]).frames
        return base.fitting(self._between, pairs, int(32 / min(scale, 1)), times, scale)

    def _between(self, pairs, times, scale):
        return self.synthesize(pairs, *self.estimate(pairs, times, scale=scale)[-1])

    def estimate(
        self, pairs: Pairs, times: Float[Array, " b"], *, scale: float = 1.0
    ) -> list[Motion]:
        """Returns the motion after every block; the last is the best."""
        first, second = base.split(pairs)
        given = self._given(pairs, times)
        found: list[Motion] = []
        for factor, find in zip(self.config.scales, self.blocks, strict=True):
            size = factor / scale
            if not found:
                found.append(find(given, None, size))
                continue
            last = found[-1]
            images = [*given, *motion.warped(first, second, last.flow), last.logit]
            found.append(last.plus(find(images, last.flow, size)))
        return found

    def _given(self, pairs, times) -> Sequence[Array]:
        first, second = base.split(pairs)
        return [first, second, *([motion.plane(times, first)] if self.config.time else [])]

    def synthesize(
        self, pairs: Pairs, flow: Float[Array, "b h w 4"], logit: Float[Array, "b h w 1"]
    ) -> Frames:
        """Returns the frames that a motion gives: the blend and its correction, in [0, 1].

        Args:
            flow: from the new frame to the first and to the second, in pixels; of this network or
                of any other.
            logit: of the mask, zero where both frames count alike.
        """
        return base.corrected(pairs, flow, logit, self.contextnet, self.unet)

    def learn(self, pairs: Pairs, times: Float[Array, " b"], target: Frames) -> InterpolationOutput:
        """Returns what the losses of a training compare; the teacher is shown the true frame.

        The teacher starts from the student's motion, through which its own loss reaches the
        student (the published code; sec. 3.3).
        """
        found = self.estimate(pairs, times)
        frames = self.synthesize(pairs, *found[-1])
        flows = jnp.stack([x.flow for x in found])
        blends = jnp.stack([base.blended(pairs, x) for x in found])
        if not self.config.teacher:
            return InterpolationOutput(frames, flows, blends)
        last = found[-1]
        warped = motion.warped(*base.split(pairs), last.flow)
        images = [*self._given(pairs, times), *warped, last.logit, target]
        taught = last.plus(self.block_tea(images, last.flow, float(self.config.scales[-1])))
        return InterpolationOutput(frames, flows, blends, taught.flow, base.blended(pairs, taught))
