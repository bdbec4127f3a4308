"""SPyNet (Ranjan and Black, CVPR 2017) as a flow network of its own."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from daflow_jax.models.outputs import FlowOutput
from daflow_jax.models.spynet import pyramid
from daflow_jax.models.spynet.config import SPyNetConfig
from daflow_jax.nn import conv, kernels, placement

INPUTS = 8  # a frame, the other one warped, the flow so far


class LevelNetwork(nn.Module):
    """The parameters of five 7 x 7 convolutions."""

    config: SPyNetConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        layer = functools.partial(conv.Conv, kernel_size=(7, 7), param_dtype=self.param_dtype)
        for i, features in enumerate((*self.config.widths, 2)):
            setattr(self, f"conv{i + 1}", layer(features))

    def kernels(self) -> pyramid.Network:
        """Returns (kernel, bias) of each convolution."""
        inputs = INPUTS, *self.config.widths
        found = tuple(getattr(self, f"conv{i + 1}").parameters(n) for i, n in enumerate(inputs))
        return kernels.cast(found, self.dtype)


class SPyNet(nn.Module):
    """Flow of every neighbouring pair of a clip, without iterations."""

    config: SPyNetConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        kinds: dict[str, Any] = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.levels = [
            LevelNetwork(self.config, name=f"level{i}", **kinds) for i in range(self.config.levels)
        ]

    def networks(self) -> list[pyramid.Network]:
        """Returns the kernels of every level, the smallest first, for `pyramid.estimate`."""
        return [level.kernels() for level in self.levels]

    def __call__(self, frames: Float[Array, "b f h w 3"], train: bool = False) -> FlowOutput:
        """Returns flow k -> k+1 for every pair of neighbours.

        Args:
            frames: float in [0, 1], RGB; any size.
            train: of no effect; there is neither dropout nor a norm.
        """
        del train
        frames = placement.clip(frames)
        first, second = (rearrange(x, "b f h w c -> (b f) h w c") for x in _neighbours(frames))
        flow = pyramid.estimate(self.networks(), first, second)
        flow = rearrange(flow, "(b f) h w c -> b f h w c", b=len(frames))
        return FlowOutput(flow[None], flow)


def _neighbours(frames):
    return frames[:, :-1], frames[:, 1:]
