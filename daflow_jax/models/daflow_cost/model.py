"""RAFT with a second cost volume: descriptors of degraded frames matched beside its own features.

DA-Flow adds both volumes; here the second one has its own gain and its own way into the motion
encoder, as features that match where RAFT's do not need not be on their scale.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.daflow_cost import refine
from daflow_jax.models.daflow_cost.config import DAFlowCostConfig
from daflow_jax.models.daflow_cost.descriptors import Descriptors, merged
from daflow_jax.models.daflow_cost.lift import Lift
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.models.raft.model import check_size
from daflow_jax.ops import tokens, windows

GAIN = 8.0  # of a new volume of cosines: about the spread of RAFT-small's own volume [choice]


class Noise(NamedTuple):
    """clean: (b, f, hl, wl, c) standardised features that the diffusion ends at. time: (b,) in
    [0, 1], 1 = noise alone."""

    clean: Any
    time: Any


class DAFlowCost(nn.Module):
    """Flow of every neighbouring pair of a clip; a new network is its RAFT to the bit."""

    config: DAFlowCostConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c, kinds = self.config, dict[str, Any](dtype=self.dtype, param_dtype=self.param_dtype)
        self.flow = refine.CostRAFT(c.flow, branch=c.branch, **kinds)
        if c.windows or c.taps:
            self.descriptors = Descriptors(c, **kinds)
        if c.lift.depth:
            self.lift = Lift(c.lift, **kinds)
        elif not c.other_frame:
            orthogonal = nn.initializers.orthogonal()
            self.project = nn.Dense(
                c.channels, use_bias=False, kernel_init=orthogonal, **kinds
            )  # fmt: skip
        self.gain = self.param("gain", nn.initializers.constant(GAIN), (), jnp.float32)

    def raw(self, frames: Float[Array, "b f h w 3"]) -> Float[Array, "b f hl wl c"]:
        """Returns what windows and taps say of every place, before any projection."""
        rng = None if self.config.trunk is None else self.make_rng("noise")
        return self.descriptors(frames, rng)

    def described(
        self, frames: Float[Array, "b f h w 3"], fmaps: Array, noise: Noise | None = None
    ) -> Float[Array, "b f hl wl c"]:
        """Returns the descriptors that are matched: projected, or restored features.

        Args:
            fmaps: RAFT's features of the same frames.
            noise: of a training step of the diffusion; None starts from noise alone.
        """
        c = self.config
        raw = self.raw(frames) if c.windows or c.taps else None
        if c.other_frame:
            return fmaps
        if not c.lift.depth:
            return self.project(raw)
        features = jax.lax.stop_gradient(windows.standardised(fmaps))
        if not c.lift.diffusion:
            return self.lift(features, raw)
        drawn = jax.random.normal(self.make_rng("noise"), features.shape)
        if noise is None:
            return self.lift(features, raw, drawn, jnp.ones(len(features)))
        time = noise.time[:, None, None, None, None]
        return self.lift(features, raw, (1 - time) * noise.clean + time * drawn, noise.time)

    def costs(self, fmaps: Array, seen: Array) -> refine.Costs:
        """Returns RAFT's pyramid beside that of the descriptors `seen`."""
        first = self.flow.correlate(merged(fmaps[:, :-1]), merged(fmaps[:, 1:]))
        clips, frames = fmaps.shape[:2]
        places, reach = _partners(frames, self.config.other_frame)
        scale = self.gain * jnp.sqrt(jnp.float32(seen.shape[-1]))
        unit = tokens.unit(seen)
        second = self.flow.correlate(
            scale * merged(unit[:, :-1]), merged(unit[:, places])
        )  # fmt: skip
        return refine.joined(first, second, jnp.tile(reach, clips))

    def __call__(
        self,
        frames: Float[Array, "b f h w 3"],
        iters: int = 12,
        *,
        init_flow: Float[Array, "b q hl wl 2"] | None = None,
        train: bool = False,
        all_iterations: bool = False,
        backbone_frames: Float[Array, "b f h w 3"] | None = None,
    ) -> FlowOutput:
        """Returns flow k -> k+1 for every pair of neighbours; streams as its trunk's.

        Args:
            frames, iters, init_flow, train, all_iterations: as in RAFT.
            backbone_frames: what the descriptors are of instead of `frames`: another clip's show
                how much the flow relies on them.
        """
        options: dict[str, Any] = dict(
            init_flow=init_flow, train=train, all_iterations=all_iterations
        )
        return self.with_descriptors(frames, iters, backbone_frames=backbone_frames, **options)[0]

    def with_descriptors(
        self,
        frames: Float[Array, "b f h w 3"],
        iters: int = 12,
        *,
        init_flow: Array | None = None,
        train: bool = False,
        all_iterations: bool = False,
        backbone_frames: Array | None = None,
        noise: Noise | None = None,
    ) -> tuple[FlowOutput, Float[Array, "b f hl wl c"]]:
        """Returns the flow as a call does, and the descriptors, for losses of their own."""
        check_size(frames.shape, self.config.multiple)
        fmaps = self.flow.features(frames, train)
        seen = frames if backbone_frames is None else backbone_frames
        others = fmaps if backbone_frames is None else self.flow.features(seen, train)
        found = self.described(seen, others, noise)
        corr, context = self.costs(fmaps, found), self.flow.contexts(frames, train)
        out = self.flow.refine(corr, context, init_flow, len(frames), iters, all_iterations)
        return out, found

    def match_features(
        self, frames: Float[Array, "b f h w 3"], noise: Noise | None = None
    ) -> Float[Array, "b f hl wl c"]:
        """Returns the descriptors alone."""
        return self.described(frames, self.flow.features(frames), noise)


def _partners(frames: int, other: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns for every pair the frame that the second volume matches it with, and `Costs.reach`:
    the pair's own second frame, or (`other`) the one before, for the first pair the one after."""
    places = np.arange(1, frames)
    if not other:
        return places, np.ones(frames - 1, np.float32)
    if frames == 2:  # there is no other frame
        return places, np.ones(1, np.float32)
    return (
        np.concatenate([[2], np.arange(frames - 2)]),
        np.concatenate([[2.0], np.full(frames - 2, -1.0)]).astype(np.float32),
    )
