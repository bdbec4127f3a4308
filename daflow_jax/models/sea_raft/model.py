"""SEA-RAFT: ResNet features of both frames, all-pairs correlation, regressed start, refinement."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.outputs import FlowOutput
from daflow_jax.models.raft import encoder
from daflow_jax.models.raft.model import check_size
from daflow_jax.models.sea_raft import refine
from daflow_jax.models.sea_raft.config import SEARAFTConfig
from daflow_jax.nn import conv, placement
from daflow_jax.ops import correlation


class SEARAFT(nn.Module):
    """Flow of every neighbouring pair of a clip, with a mixture of Laplace for each prediction.

    New encoders start from Kaiming's rule, not from ImageNet weights as the published training.
    """

    config: SEARAFTConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        resnet: dict[str, Any] = dict(blocks=c.blocks, bias_init=nn.initializers.zeros, **kinds)
        both = c.hidden + c.context
        self.fnet = encoder.Encoder(c.features, c.widths, "batch", **resnet)
        self.cnet = encoder.Encoder(both, c.widths, "batch", **resnet)
        self.init_conv = conv.Conv(both, **kinds)
        self.update = refine.Refiner(
            c.hidden, c.context, c.num_blocks, c.levels, c.radius, c.lookup, **kinds
        )

    def features(
        self, frames: Float[Array, "b f h w 3"], train: bool = False
    ) -> tuple[Float[Array, "p h//8 w//8 c"], Float[Array, "p h//8 w//8 c"]]:
        """Returns the matching features of each pair's first and second frame.

        In training first and second frames have their own batch statistics, and the running ones
        move twice (SEA-RAFT's code).
        """
        if train:
            first = self.fnet(_merged(2 * frames[:, :-1] - 1), True)
            return first, self.fnet(_merged(2 * frames[:, 1:] - 1), True)
        fmaps = self.fnet(_merged(2 * frames - 1), False)
        fmaps = rearrange(fmaps, "(b f) h w c -> b f h w c", b=len(frames))
        return _merged(fmaps[:, :-1]), _merged(fmaps[:, 1:])

    def contexts(
        self, frames: Float[Array, "b f h w 3"], train: bool = False
    ) -> Float[Array, "p h//8 w//8 c"]:
        """Returns hidden state and context of each pair, seen by one encoder over both frames."""
        both = _merged(2 * jnp.concatenate([frames[:, :-1], frames[:, 1:]], axis=-1) - 1)
        return self.init_conv(self.cnet(both, train))

    def correlate(
        self, first: Float[Array, "p h w c"], second: Float[Array, "p h w c"]
    ) -> correlation.Pyramid:
        """Returns the correlation pyramid, in float32 as published."""
        c = self.config
        return placement.pyramid(correlation.pyramid_for(c.lookup, first, second, c.levels))

    def __call__(
        self,
        frames: Float[Array, "b f h w 3"],
        iters: int | None = None,
        *,
        init_flow: Float[Array, "b q hl wl 2"] | None = None,
        train: bool = False,
        all_iterations: bool = False,
    ) -> FlowOutput:
        """Returns flow k -> k+1 for every pair of neighbours, and its mixture.

        Args:
            frames: float in [0, 1]; h and w multiples of 8 and at least 128.
            iters: refinement steps; None takes the configuration's.
            init_flow: start on the 1/8 grid in its own pixels, in place of the regressed one.
            train: use and update the batch statistics of both encoders.
            all_iterations: return iters + 1 predictions, the start first, instead of the last one.
        """
        c = self.config
        check_size(frames.shape, c.multiple)
        frames = placement.clip(frames)
        context = self.contexts(frames, train)
        corr = self.correlate(*self.features(frames, train))
        if init_flow is not None:
            init_flow = _merged(init_flow).astype(jnp.float32)
        steps = c.iters if iters is None else iters
        flows, infos, low = self.update(corr, context, init_flow, steps, all_iterations)
        flows, infos = (
            rearrange(x, "m (b q) h w c -> m b q h w c", b=len(frames)) for x in (flows, infos)
        )
        low = rearrange(low, "(b q) h w c -> b q h w c", b=len(frames))
        return FlowOutput(flows, low, infos)


def _merged(x: Float[Array, "b f h w c"]) -> Float[Array, "b*f h w c"]:
    return rearrange(x, "b f h w c -> (b f) h w c")
