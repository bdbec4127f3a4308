"""GMFlow: global matching at 1/8 of the size, refined at 1/4."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.gmflow import backbone, matching, transformer, windows
from daflow_jax.models.gmflow.config import GMFlowConfig
from daflow_jax.models.outputs import FlowOutput
from daflow_jax.nn import conv, placement
from daflow_jax.ops import resize, upsample, warp

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours
FACTOR = 4  # of the last upsampling


class Scale(NamedTuple):
    """What is found at one size: features before and after the transformer, flow in its pixels."""

    entered: tuple[Array, Array]
    features: tuple[Array, Array]
    matched: Float[Array, "p h w 2"]
    flow: Float[Array, "p h w 2"]


class GMFlow(nn.Module):
    """Flow of every neighbouring pair of a clip (Xu et al., CVPR 2022)."""

    config: GMFlowConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.backbone = backbone.Backbone(c.widths, **kinds)
        self.transformer = transformer.Transformer(c.blocks, c.expansion, **kinds)
        xavier = nn.initializers.xavier_uniform()
        self.q_proj = nn.Dense(c.widths[2], kernel_init=xavier, **kinds)
        self.k_proj = nn.Dense(c.widths[2], kernel_init=xavier, **kinds)
        self.upsample1 = conv.Conv(c.upsampling, **kinds)
        self.upsample2 = conv.Conv(9 * FACTOR**2, (1, 1), **kinds)

    def scales(self, frames: Float[Array, "b f h w 3"]) -> list[Scale]:
        """Returns both sizes, 1/8 and 1/4; frames are RGB in [0, 1]."""
        images = (frames - jnp.array(MEAN, frames.dtype)) / jnp.array(STD, frames.dtype)
        maps = self.backbone(rearrange(images, "b f h w c -> (b f) h w c"))
        found: list[Scale] = []
        for index, level in enumerate(maps):
            level = rearrange(level, "(b f) h w c -> b f h w c", b=len(frames))
            first, second = (
                rearrange(x, "b q h w c -> (b q) h w c") for x in (level[:, :-1], level[:, 1:])
            )
            found.append(self._scale(index, first, second, found[-1].flow if found else None))
        return found

    def _scale(self, index: int, first: Array, second: Array, before: Array | None) -> Scale:
        """No gradient passes from one size to the next, nor from the spreading to the matching."""
        c, flow = self.config, None
        size = first.shape[1], first.shape[2]
        if before is not None:
            flow = jax.lax.stop_gradient(2 * resize.resize_align_corners(before, size))
            second = warp.warp(second, flow)
        code = jnp.asarray(windows.positions(size, c.splits[index], first.shape[-1]), first.dtype)
        entered = first + code, second + code
        first, second = self.transformer(*entered, c.splits[index])
        matched = matching.match(first, second, c.radii[index])
        matched = matched if flow is None else flow + matched
        radius, query = c.propagation[index], self.q_proj(first)
        key = self.k_proj(query if radius < 0 else first)  # as published: projected twice
        spread = matching.spread(query, key, jax.lax.stop_gradient(matched), radius)
        return Scale(entered, (first, second), matched, spread)

    def weights(
        self, flow: Float[Array, "p h w 2"], features: Float[Array, "p h w c"]
    ) -> Float[Array, "p h w 144"]:
        """Returns the logits of the last upsampling."""
        both = jnp.concatenate([flow.astype(features.dtype), features], axis=-1)
        return self.upsample2(nn.relu(self.upsample1(both)))

    def __call__(
        self, frames: Float[Array, "b f h w 3"], *, all_scales: bool = False
    ) -> FlowOutput:
        """Returns flow k -> k+1 for every pair of neighbours.

        Args:
            frames: RGB in [0, 1]; height and width are multiples of 32.
            all_scales: return four predictions, which training descends: after matching and after
                spreading, at both sizes.
        """
        found = self.scales(placement.clip(frames))
        last = found[-1]
        fine = upsample.convex_upsample(
            last.flow, self.weights(last.flow, last.features[0]), float(FACTOR), FACTOR
        )
        size = frames.shape[2], frames.shape[3]
        flows = [fine]
        if all_scales:
            early = [x for scale in found for x in (scale.matched, scale.flow)][:-1]
            flows = [*(_enlarged(x, size) for x in early), fine]
        pairs = "(b q) h w c -> b q h w c"
        every = jnp.stack([rearrange(x, pairs, b=len(frames)) for x in flows])
        return FlowOutput(every, rearrange(last.flow, pairs, b=len(frames)))


def _enlarged(flow, size):
    return resize.resize_align_corners(flow, size) * (size[0] / flow.shape[1])
