"""Descriptors of every place of a frame: averaged windows, and taps of another network."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange, reduce
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models import registry, taps
from daflow_jax.models.daflow_cost.config import DAFlowCostConfig
from daflow_jax.models.entry import KEY
from daflow_jax.ops import windows


class Descriptors(nn.Module):
    """What windows and taps say of every place, not yet projected; standardised per channel.

    The trunk is a part of this network ("trunk/..."), whatever family it is of.
    """

    config: DAFlowCostConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        if self.config.trunk is not None:
            self.trunk = registry.build(self.config.trunk, self.dtype, self.param_dtype)

    def __call__(
        self, frames: Float[Array, "b f h w 3"], rng: jax.Array | None
    ) -> Float[Array, "b f hl wl c"]:
        """Returns the descriptors on the grid of the correlation; frames in [0, 1]."""
        c = self.config
        maps = [windows.averaged(frames, c.stride, side) for side in c.windows]
        if c.trunk is not None:
            maps += self._tapped(frames, rng)
        return jnp.concatenate([windows.standardised(x) for x in maps], axis=-1)

    def _tapped(self, frames, rng) -> list[Array]:
        c = self.config
        if self.is_initializing():
            _call_example(self.trunk, c.trunk, rng)
        source, chosen = taps.chosen(c.trunk, c.taps)
        taps.check_stride(c.trunk, c.shrink, c.stride)
        small = reduce(frames, "b f (h i) (w j) c -> b f h w c", "mean", i=c.shrink, j=c.shrink)
        blocks = tuple(dict.fromkeys(block for block, _ in chosen))
        build = source.build(c.trunk, blocks, 1, 0)
        variables = jax.lax.stop_gradient(self.trunk.variables)
        found = [build(variables, rng, clip) for clip in small]
        own = [jnp.stack([_symmetric(clip[name]) for clip in found]) for name in chosen]
        return [taps.at_stride(x, frames.shape[2:4], c.stride) for x in own]


def _symmetric(pair: tuple[Array, Array]) -> Array:
    """Returns one map of a tap: where query and key differ, their sum."""
    query, key = pair
    return query if query is key else query + key


def _call_example(module: Any, config: Any, rng: jax.Array) -> None:
    """Calls a module once, so that its parameters are there."""
    example = registry.example(config)
    args = [
        rng if arg is KEY else jnp.zeros(arg.shape, arg.dtype)
        if isinstance(arg, jax.ShapeDtypeStruct) else arg
        for arg in example.args
    ]  # fmt: skip
    getattr(module, example.method or "__call__")(*args, **example.options)


def merged(x: Array) -> Array:
    """Returns the maps of clips as one batch."""
    return rearrange(x, "b f ... -> (b f) ...")
