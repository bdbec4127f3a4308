"""RAFT: features, all-pairs correlation, recurrent refinement."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.outputs import FlowOutput
from daflow_jax.models.raft import encoder, refine
from daflow_jax.models.raft.config import RAFTConfig
from daflow_jax.nn import placement
from daflow_jax.ops import correlation


class RAFT(nn.Module):
    """Flow of every neighbouring pair of a clip; its parts are methods, which DA-Flow reuses."""

    config: RAFTConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.fnet = encoder.Encoder(c.features, c.widths, "instance", c.small, **kinds)
        context_norm = "none" if c.small else "batch"
        self.cnet = encoder.Encoder(c.hidden + c.context, c.widths, context_norm, c.small, **kinds)
        self.update = self.refiner(
            c.hidden, c.context, c.levels, c.radius, c.small, c.lookup, c.uncertainty, **kinds
        )

    def refiner(self, *sizes: Any, **kinds: Any) -> refine.Refiner:
        """Returns the update operator of these sizes; networks around RAFT have their own."""
        return refine.Refiner(*sizes, **kinds)

    def features(
        self, frames: Float[Array, "b f h w 3"], train: bool = False
    ) -> Float[Array, "b f h//8 w//8 c"]:
        """Returns the matching features of every frame; frames in [0, 1]."""
        images = placement.clip(2 * frames - 1)
        fmaps = self.fnet(rearrange(images, "b f h w c -> (b f) h w c"), train)
        return placement.clip(rearrange(fmaps, "(b f) h w c -> b f h w c", b=len(frames)))

    def contexts(
        self, frames: Float[Array, "b f h w 3"], train: bool = False
    ) -> Float[Array, "p h//8 w//8 c"]:
        """Returns hidden state and context, not yet activated, of each pair's first frame."""
        images = placement.clip(2 * frames[:, :-1] - 1)
        return placement.maps(self.cnet(rearrange(images, "b f h w c -> (b f) h w c"), train))

    def correlate(
        self, first: Float[Array, "p h w c"], second: Float[Array, "p h w c"]
    ) -> correlation.Pyramid:
        """Returns the correlation pyramid, in float32 as published, with what the look-up needs."""
        c = self.config
        return placement.pyramid(correlation.pyramid_for(c.lookup, first, second, c.levels))

    def refine(
        self,
        corr: correlation.Pyramid,
        context: Float[Array, "p h w c"],
        init_flow: Float[Array, "b q h w 2"] | None,
        num_clips: int,
        iters: int,
        all_iterations: bool,
    ) -> FlowOutput:
        """Returns the flow of p = b * q pairs, from `init_flow` on the 1/8 grid or from zero, and
        its mixture if the configuration asks for it."""
        c = self.config
        net = nn.tanh(context[..., : c.hidden])
        inputs = nn.relu(context[..., c.hidden :])
        if init_flow is None:
            start = jnp.zeros((*context.shape[:3], 2), jnp.float32)
        else:
            start = rearrange(init_flow, "b q h w c -> (b q) h w c").astype(jnp.float32)
        flows, low, info = self.update(corr, net, inputs, start, iters, all_iterations)
        low = rearrange(low, "(b q) h w c -> b q h w c", b=num_clips)
        fine = functools.partial(rearrange, pattern="m (b q) h w c -> m b q h w c", b=num_clips)
        return FlowOutput(fine(flows), low, None if info is None else fine(info))

    def __call__(
        self,
        frames: Float[Array, "b f h w 3"],
        iters: int = 12,
        *,
        init_flow: Float[Array, "b q hl wl 2"] | None = None,
        train: bool = False,
        all_iterations: bool = False,
    ) -> FlowOutput:
        """Returns flow k -> k+1 for every pair of neighbours.

        Args:
            frames: float in [0, 1]; h and w multiples of 8 and at least 128.
            iters: refinement steps.
            init_flow: start on the 1/8 grid in its own pixels, or zero.
            train: use and update the batch statistics of the context encoder.
            all_iterations: return the flow after every step instead of the last one.
        """
        check_size(frames.shape, self.config.multiple)
        fmaps = self.features(frames, train)
        first, second = (
            rearrange(x, "b f h w c -> (b f) h w c") for x in (fmaps[:, :-1], fmaps[:, 1:])
        )
        corr = self.correlate(first, second)
        context = self.contexts(frames, train)
        return self.refine(corr, context, init_flow, len(frames), iters, all_iterations)


def check_size(shape: tuple[int, ...], multiple: int) -> None:
    """Raises ValueError unless (b, f, h, w, 3) frames fit the network."""
    frames, height, width = shape[1:4]
    if frames < 2:
        raise ValueError(f"frames: {frames} in the clip; flow needs 2 or more; add a frame")
    if height % multiple or width % multiple or min(height, width) < 128:
        raise ValueError(
            f"frames are {height}x{width}; height and width must be multiples of {multiple} and at "
            "least 128; pad with daflow_jax.predict.pad"
        )
