"""The block that refines flow and features together (the seed's equations 2 to 11)."""

from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.jffra.config import BlockConfig
from daflow_jax.nn import conv
from daflow_jax.ops import local_correlation, warp

SLOPE = 0.1  # of LeakyReLU
KEEPS = nn.initializers.variance_scaling(2.0, "fan_in", "normal")  # variance, before activation


class Refined(NamedTuple):
    """What a block returns, with what it computed on the way.

    features: (b, f, h, w, c), the reference refined, neighbours in their own coordinates.
    flow: (b, f - 1, h, w, 2) float32 pixels of this scale, from the reference to each neighbour.
    projected, aligned: neighbours warped by the old and by the new flow (b, f - 1, h, w, c).
    cost: (b, f - 1, h, w, (2 radius + 1)^2), None where flow is not refined.
    """

    features: Float[Array, "b f h w c"]
    flow: Float[Array, "b n h w 2"]
    projected: Float[Array, "b n h w c"] | None
    aligned: Float[Array, "b n h w c"]
    cost: Float[Array, "b n h w k"] | None


def activation(x: Array) -> Array:
    """Returns LeakyReLU with slope 0.1."""
    return nn.leaky_relu(x, SLOPE)


def middle(features: Float[Array, "b f *s"]) -> Float[Array, "b *s"]:
    """Returns the frame that is restored."""
    return features[:, features.shape[1] // 2]


def neighbours(features: Float[Array, "b f *s"]) -> Float[Array, "b n *s"]:
    """Returns the other frames, in order."""
    half = features.shape[1] // 2
    return jnp.concatenate([features[:, :half], features[:, half + 1 :]], axis=1)


def between(reference: Float[Array, "b *s"], others: Float[Array, "b n *s"]) -> Array:
    """Returns the clip (b, n + 1, ...) with the reference in the middle of the others."""
    half = others.shape[1] // 2
    parts = [others[:, :half], reference[:, None], others[:, half:]]
    return jnp.concatenate([part for part in parts if part.shape[1]], axis=1)


class FlowHead(nn.Module):
    """Predicts an offset of the flow; a new head predicts zero, so it starts from the start."""

    widths: tuple[int, ...]
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w 2"]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        for place, width in enumerate(self.widths):
            x = activation(conv.Conv(width, kernel_init=KEEPS, name=f"conv{place}", **kinds)(x))
        zeros = nn.initializers.zeros
        return conv.Conv(2, kernel_init=zeros, bias_init=zeros, name="out", **kinds)(x)


class TemporalAttention(nn.Module):
    """Attention inside of windows: pixels of one frame ask, those of all frames answer."""

    heads: int
    window: int
    norm: bool
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, asking: Float[Array, "b a h w c"], frames: Float[Array, "b f h w c"]
    ) -> Float[Array, "b a h w c"]:
        """Returns the residual of the asking frames; h and w are multiples of the window."""
        channels = frames.shape[-1]
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        if self.norm:
            norm = nn.LayerNorm(epsilon=1e-5, name="norm", **kinds)
            asking, frames = norm(asking), norm(frames)
        rows = frames.shape[2] // self.window
        query, key, value = (
            self._split(nn.Dense(channels, name=name, **kinds)(x))
            for name, x in (("query", asking), ("key", frames), ("value", frames))
        )
        scores = jnp.einsum("bnqc,bnkc->bnqk", query, key, preferred_element_type=jnp.float32)
        weights = jax.nn.softmax(scores * (channels // self.heads) ** -0.5, axis=-1)
        out = jnp.einsum("bnqk,bnkc->bnqc", weights.astype(value.dtype), value)
        pattern = "(b y x) n (a i j) c -> b a (y i) (x j) (n c)"
        sizes = dict(y=rows, b=len(frames), a=asking.shape[1], i=self.window)
        return nn.Dense(channels, name="out", **kinds)(rearrange(out, pattern, **sizes))

    def _split(self, x):
        pattern = "b f (y i) (x j) (n c) -> (b y x) n (f i j) c"
        return rearrange(x, pattern, i=self.window, j=self.window, n=self.heads)


class Block(nn.Module):
    """Warp, compare, correct the flow, warp again, attend (one neighbour like the other).

    Attributes:
        refines: whether there is a flow head; else the flow passes through as it is.
    """

    config: BlockConfig
    refines: bool = True
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, features: Float[Array, "b f h w c"], flow: Float[Array, "b n h w 2"]
    ) -> Refined:
        c = self.config
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        reference, others = middle(features), neighbours(features)
        projected = cost = None
        head = FlowHead(c.head, name="flow_head", **kinds) if self.refines else None
        if head is not None and (c.alignment == "refined" or self.is_initializing()):
            projected, cost, offset = self._offset(head, reference, others, flow)
            if c.alignment == "refined":
                flow = flow + offset
        aligned = others if c.alignment == "none" else warp.warp(others, flow)
        attention = TemporalAttention(c.heads, c.window, c.norm, name="attention", **kinds)
        clip = between(reference, aligned)
        if c.queries == "all":
            residual = attention(clip, clip)
            refined = between(reference, others) + residual
        else:
            refined = between(reference + attention(reference[:, None], clip)[:, 0], others)
        return Refined(refined, flow, projected, aligned, cost)

    def _offset(self, head, reference, others, flow):
        count = others.shape[1]
        projected = warp.warp(others, flow)
        repeated = jnp.repeat(reference, count, axis=0)  # neighbours of a clip are side by side
        seen, motion = (rearrange(x, "b n h w c -> (b n) h w c") for x in (projected, flow))
        correlate = local_correlation.local_correlation
        cost = cast(Array, correlate(repeated, seen, self.config.radius))
        read = jnp.concatenate([cost, repeated, seen, motion.astype(seen.dtype)], axis=-1)
        offset = head(read).astype(jnp.float32)
        cost, offset = (rearrange(x, "(b n) h w c -> b n h w c", n=count) for x in (cost, offset))
        return projected, cost, offset
