"""Crops and turns of clips with their flow, one draw a clip, inside jit."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Shaped


@dataclasses.dataclass(frozen=True)
class Crop:
    """Arrays (b, n, s h, s w, c) that belong to one clip, each at its own scale s.

    Attributes:
        size: of the crop at scale 1, in pixels; a square.
        turns: whether clips are also mirrored and transposed.
    """

    size: int
    turns: bool

    def __call__(
        self,
        rng: jax.Array,
        arrays: dict[str, tuple[Array, int]],
        flows: frozenset[str] = frozenset(),
    ) -> dict[str, Any]:
        """Returns the crops by name.

        Args:
            arrays: name -> (array, scale). flows: the names whose two channels are motion (x, y)
                in pixels, which turns turn as well.
        """
        whole, scale = next(iter(arrays.values()))
        rows, columns = (side // scale - self.size for side in whole.shape[2:4])
        return jax.vmap(
            lambda key, clip: self._one(key, clip, arrays, flows, (rows, columns)),
        )(jax.random.split(rng, len(whole)), {name: x for name, (x, _) in arrays.items()})

    def _one(self, key, clip, arrays, flows, room):
        keys = jax.random.split(key, 3)
        top, left = (
            jax.random.randint(k, (), 0, most + 1) for k, most in zip(keys[:2], room, strict=True)
        )
        drawn = jax.random.bernoulli(keys[2], 0.5, (3,)) & self.turns
        out = {}
        for name, x in clip.items():
            scale = arrays[name][1]
            start = (0, scale * top, scale * left, 0)
            side = scale * self.size
            x = jax.lax.dynamic_slice(x, start, (len(x), side, side, x.shape[-1]))
            for turn, wanted in zip(_TURNS, drawn, strict=True):
                x = jnp.where(wanted, turn(x, name in flows), x)
            out[name] = x
        return out


def _mirror(x: Shaped[Array, "n h w c"], is_flow: bool) -> Shaped[Array, "n h w c"]:
    x = x[:, :, ::-1]
    return x * jnp.array([-1, 1], x.dtype) if is_flow else x


def _turn_over(x: Shaped[Array, "n h w c"], is_flow: bool) -> Shaped[Array, "n h w c"]:
    x = x[:, ::-1]
    return x * jnp.array([1, -1], x.dtype) if is_flow else x


def _transpose(x: Shaped[Array, "n h w c"], is_flow: bool) -> Shaped[Array, "n w h c"]:
    x = x.swapaxes(1, 2)
    return x[..., ::-1] if is_flow else x


_TURNS: tuple[Callable[[Any, bool], Any], ...] = (_mirror, _turn_over, _transpose)
