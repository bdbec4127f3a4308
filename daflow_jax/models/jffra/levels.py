"""The ways between scales, and what follows a block at one scale."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.jffra.block import (
    KEEPS,
    Block,
    Refined,
    activation,
    between,
    middle,
    neighbours,
)
from daflow_jax.models.jffra.config import BlockConfig
from daflow_jax.nn import conv


class Residual(nn.Module):
    """Adds two convolutions of the features."""

    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        inner = activation(conv.Conv(x.shape[-1], kernel_init=KEEPS, name="conv0", **kinds)(x))
        return x + conv.Conv(x.shape[-1], name="conv1", **kinds)(inner)


class Level(nn.Module):
    """A block, then two convolutions of the reference and two others of every neighbour."""

    config: BlockConfig
    refines: bool
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, features: Float[Array, "b f h w c"], flow: Float[Array, "b n h w 2"]
    ) -> Refined:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        out = Block(self.config, self.refines, name="block", **kinds)(features, flow)
        reference = Residual(name="reference", **kinds)(middle(out.features))
        others = framewise(Residual(name="neighbours", **kinds), neighbours(out.features))
        return out._replace(features=between(reference, others))


class Down(nn.Module):
    """Halves height and width."""

    features: int
    kind: str
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h//2 w//2 o"]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        if self.kind == "conv":
            down = conv.Conv(self.features, strides=2, kernel_init=KEEPS, name="conv", **kinds)
            return activation(down(x))
        x = rearrange(x, "b (h i) (w j) c -> b h w (i j c)", i=2, j=2)
        x = nn.LayerNorm(epsilon=1e-5, name="norm", **kinds)(x)
        return nn.Dense(self.features, name="dense", **kinds)(x)


class Up(nn.Module):
    """Doubles height and width and joins the features of the way down."""

    features: int
    kind: str
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], skip: Float[Array, "b H W o"]
    ) -> Float[Array, "b H W o"]:
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        if self.kind == "conv":
            x = jax.image.resize(x, (len(x), *skip.shape[1:3], x.shape[-1]), "bilinear")
            both = jnp.concatenate([x, skip], axis=-1)
            return activation(
                conv.Conv(self.features, kernel_init=KEEPS, name="conv", **kinds)(both)
            )
        x = nn.Dense(4 * self.features, name="dense", **kinds)(x)
        both = jnp.concatenate([shuffled(x, 2), skip], axis=-1)
        return nn.Dense(self.features, name="join", **kinds)(both)


def shuffled(x: Float[Array, "b h w i"], factor: int) -> Float[Array, "b H W o"]:
    """Returns channels as pixels: sides `factor` times as long."""
    return rearrange(x, "b h w (i j c) -> b (h i) (w j) c", i=factor, j=factor)


def framewise(layer: Any, clip: Float[Array, "b f h w c"], *others: Array) -> Array:
    """Returns what a layer of pictures makes of every frame of a clip."""
    flat = [rearrange(x, "b f ... -> (b f) ...") for x in (clip, *others)]
    return rearrange(layer(*flat), "(b f) ... -> b f ...", f=clip.shape[1])


def resized_flow(flow: Float[Array, "b n h w 2"], size: tuple[int, int]) -> Array:
    """Returns the flow (b, n, *size, 2) in pixels of its new size (means where it shrinks)."""
    if flow.shape[2:4] == size:
        return flow
    ratio = jnp.array([size[1] / flow.shape[3], size[0] / flow.shape[2]], flow.dtype)
    return jax.image.resize(flow, (*flow.shape[:2], *size, 2), "bilinear") * ratio
