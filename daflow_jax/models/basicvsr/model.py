"""BasicVSR (Chan et al., CVPR 2021): clips four times as large, every frame from all others."""

import functools
from collections.abc import Callable
from typing import Any, cast

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from daflow_jax.models.basicvsr import recurrence
from daflow_jax.models.basicvsr.config import BasicVSRConfig
from daflow_jax.models.entry import Recurrence
from daflow_jax.models.spynet.model import SPyNet
from daflow_jax.nn import conv, kernels, placement


class ResidualBlock(nn.Module):
    """The parameters of two 3 x 3 convolutions."""

    width: int
    layer: Callable[..., conv.Conv]

    def setup(self):
        self.conv1, self.conv2 = self.layer(self.width), self.layer(self.width)

    def kernels(self) -> tuple[kernels.Kernel, kernels.Kernel]:
        """Returns (kernel, bias) of both."""
        return self.conv1.parameters(self.width), self.conv2.parameters(self.width)


class Direction(nn.Module):
    """The parameters of one direction: a convolution of [frame, state], then residual blocks."""

    width: int
    depth: int
    layer: Callable[..., conv.Conv]

    def setup(self):
        self.stem = self.layer(self.width)
        self.blocks = [
            ResidualBlock(self.width, self.layer, name=f"block{i}") for i in range(self.depth)
        ]

    def kernels(self) -> recurrence.Trunk:
        """Returns its kernels, those of the blocks stacked."""
        blocks = kernels.stack([block.kernels() for block in self.blocks])
        return recurrence.Trunk(self.stem.parameters(self.width + 3), blocks)


class BasicVSR(nn.Module):
    """Two recurrent directions whose states are aligned by SPyNet, and a head that enlarges."""

    config: BasicVSRConfig
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self.config
        layer = functools.partial(conv.Conv, param_dtype=self.param_dtype)
        self.spynet = SPyNet(c.spynet, dtype=self.dtype, param_dtype=self.param_dtype)
        self.backward = Direction(c.width, c.blocks, layer)
        self.forward = Direction(c.width, c.blocks, layer)
        self.fusion = layer(c.width, (1, 1))
        self.conv_up1, self.conv_up2 = layer(4 * c.width), layer(4 * c.width)
        self.conv_hr, self.conv_last = layer(c.width), layer(3)

    def weights(self) -> recurrence.Weights:
        """Returns all kernels, in the number format of the layers."""
        width = self.config.width
        head = recurrence.Head(
            self.fusion.parameters(2 * width),
            *(x.parameters(width) for x in (self.conv_up1, self.conv_up2)),
            *(x.parameters(width) for x in (self.conv_hr, self.conv_last)),
        )
        rest = kernels.cast((self.backward.kernels(), self.forward.kernels(), head), self.dtype)
        return recurrence.Weights(self.spynet.networks(), *rest)

    def __call__(
        self, frames: Float[Array, "b f h w 3"], train: bool = False
    ) -> Float[Array, "b f 4*h 4*w 3"]:
        """Returns restored frames, float32 in [0, 1].

        Args:
            frames: float in [0, 1], RGB; any size and number.
            train: of no effect; there is neither dropout nor a norm.
        """
        del train
        state = start(self, len(frames), (frames.shape[2], frames.shape[3]))
        return jnp.clip(self.part(frames, state, frames.shape[1])[0], 0.0, 1.0)

    def part(
        self,
        frames: Float[Array, "b f h w 3"],
        state: recurrence.State,
        count: int,
        exist: Int[Array, ""] | int | None = None,
    ) -> tuple[Float[Array, "b count 4*h 4*w 3"], recurrence.State]:
        """Returns the first `count` frames restored, not clipped, and the state after them.

        Args:
            frames: a part of a clip, and frames after it that are only looked at.
            state: before the first frame.
            count: static. exist: frames from this number on are not there (None: all are).
        """
        frames = placement.clip(frames)
        weights = self.weights()
        exist = frames.shape[1] if exist is None else exist
        behind = recurrence.look_back(weights, frames, exist)
        return recurrence.go_on(weights, frames[:, :count], behind[:count], state)


def start(module: BasicVSR, batch: int, size: tuple[int, int]) -> recurrence.State:
    """Returns the state before the first frame of clips of (height, width)."""
    return recurrence.start(batch, size, module.config.width, module.dtype or jnp.float32)


def part(
    module: BasicVSR,
    variables: Any,
    frames: Float[Array, "b f h w 3"],
    state: recurrence.State,
    count: int,
    exist: Int[Array, ""] | int,
) -> tuple[Float[Array, "b count 4*h 4*w 3"], recurrence.State]:
    """Returns the first `count` frames restored, float32 in [0, 1], and the state after them."""
    restored, after = cast(
        tuple[Any, recurrence.State],
        module.apply(variables, frames, state, count, exist, method="part"),
    )
    return jnp.clip(restored, 0.0, 1.0), after


RECURRENCE = Recurrence(start, part, ahead=5)
