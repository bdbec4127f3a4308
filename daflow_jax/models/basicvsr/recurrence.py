"""Both directions of BasicVSR as pure functions of its kernels; one frame after the other."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from daflow_jax.models.spynet import pyramid
from daflow_jax.nn import kernels
from daflow_jax.ops import warp

SLOPE = 0.1  # of every LeakyReLU
SCALE = 4


class Trunk(NamedTuple):
    """stem: of [frame, state]. blocks: stacked pairs of kernels."""

    stem: kernels.Kernel
    blocks: tuple[kernels.Kernel, kernels.Kernel]


class Head(NamedTuple):
    """The kernels that make a frame of the states of both directions."""

    fusion: kernels.Kernel
    up1: kernels.Kernel
    up2: kernels.Kernel
    hr: kernels.Kernel
    last: kernels.Kernel


class Weights(NamedTuple):
    """Everything that a call needs."""

    spynet: list[pyramid.Network]
    backward: Trunk
    forward: Trunk
    head: Head


class State(NamedTuple):
    """What later frames need of earlier ones: features, zero before a clip, and the last frame."""

    features: Float[Array, "b h w c"]
    frame: Float[Array, "b h w 3"]


def start(batch: int, size: tuple[int, int], width: int, dtype: Any = jnp.float32) -> State:
    """Returns the state before the first frame of clips of (height, width)."""
    features = jnp.zeros((batch, *size, width), dtype)
    return State(features, jnp.zeros((batch, *size, 3), jnp.float32))


def look_back(
    weights: Weights, frames: Float[Array, "b f h w 3"], exist: Int[Array, ""] | int
) -> Float[Array, "f b h w c"]:
    """Returns the states of the backward direction, from the last frame to the first.

    Frames from number `exist` on are not there: the state before frame `exist - 1` is zero.
    """
    clip = jnp.moveaxis(frames, 1, 0)
    after = jnp.roll(clip, -1, axis=0)
    width = weights.backward.stem[0].shape[-1]
    first = jnp.zeros((*clip.shape[1:4], width), weights.backward.stem[0].dtype)

    def step(features, inputs):
        number, frame, following = inputs
        flow = pyramid.estimate(weights.spynet, frame, following)
        features = advance(weights.backward, frame, moved(features, flow))
        features = jnp.where(number < exist, features, jnp.zeros_like(features))
        return features, features

    numbers = jnp.arange(len(clip))
    return jax.lax.scan(step, first, (numbers, clip, after), reverse=True)[1]


def go_on(
    weights: Weights,
    frames: Float[Array, "b f h w 3"],
    behind: Float[Array, "f b h w c"],
    state: State,
) -> tuple[Float[Array, "b f 4*h 4*w 3"], State]:
    """Returns restored frames, float32 and not clipped, and the state after them, from the states
    of the backward direction and the state before the first frame."""

    def step(state, inputs):
        frame, back = inputs
        flow = pyramid.estimate(weights.spynet, frame, state.frame)
        features = advance(weights.forward, frame, moved(state.features, flow))
        restored = base(frame) + residual(weights.head, back, features)
        return State(features, frame), restored

    clip = jnp.moveaxis(frames, 1, 0).astype(jnp.float32)
    state, restored = jax.lax.scan(step, state, (clip, behind))
    return jnp.moveaxis(restored, 0, 1), state


def moved(
    features: Float[Array, "b h w c"], flow: Float[Array, "b h w 2"]
) -> Float[Array, "b h w c"]:
    """Returns features read where the flow points, zeros outside."""
    return warp.warp(features, flow, "zeros")


def advance(
    trunk: Trunk, frame: Float[Array, "b h w 3"], features: Float[Array, "b h w c"]
) -> Float[Array, "b h w c"]:
    """Returns the next state of one direction."""

    def block(x, pair):
        inner = nn.relu(kernels.apply(pair[0], x))
        return x + kernels.apply(pair[1], inner), None

    joined = jnp.concatenate([frame.astype(features.dtype), features], axis=-1)
    x = nn.leaky_relu(kernels.apply(trunk.stem, joined), SLOPE)
    return jax.lax.scan(block, x, trunk.blocks)[0]


def residual(
    head: Head, back: Float[Array, "b h w c"], forth: Float[Array, "b h w c"]
) -> Float[Array, "b 4*h 4*w 3"]:
    """Returns what is added to the enlarged frame, float32."""
    joined = jnp.concatenate([back, forth], axis=-1)
    x = nn.leaky_relu(kernels.apply(head.fusion, joined), SLOPE)
    for up in (head.up1, head.up2):
        x = nn.leaky_relu(shuffled(kernels.apply(up, x)), SLOPE)
    x = nn.leaky_relu(kernels.apply(head.hr, x), SLOPE)
    return kernels.apply(head.last, x).astype(jnp.float32)


def shuffled(x: Float[Array, "b h w c"]) -> Float[Array, "b 2*h 2*w c//4"]:
    """Returns each pixel's channels c*4 + dy*2 + dx as channel c of 2 x 2 pixels."""
    b, h, w, c = x.shape
    x = x.reshape(b, h, w, c // 4, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(b, 2 * h, 2 * w, c // 4)


def base(frame: Float[Array, "b h w 3"]) -> Float[Array, "b 4*h 4*w 3"]:
    """Returns the frame enlarged, bilinear, pixel centres aligned."""
    b, h, w, c = frame.shape
    return jax.image.resize(frame, (b, SCALE * h, SCALE * w, c), "bilinear", antialias=False)
