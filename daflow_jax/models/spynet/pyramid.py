"""Flow from coarse to fine, as a pure function of the levels' kernels."""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.nn import kernels
from daflow_jax.ops import resize, warp

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as the published files hold

Network = tuple[kernels.Kernel, ...]


class Level(NamedTuple):
    """What a level saw and found: inputs (p, h, w, 8), the frame, the other one warped, and the
    flow so far; flow (p, h, w, 2) in the level's own pixels."""

    inputs: Float[Array, "p h w 8"]
    flow: Float[Array, "p h w 2"]


def estimate(
    networks: Sequence[Network],
    first: Float[Array, "p h w 3"],
    second: Float[Array, "p h w 3"],
) -> Float[Array, "p h w 2"]:
    """Returns flow from `first` to `second` in pixels, float32; frames in [0, 1], any size.

    The frames are resized to multiples of 2^(levels - 1) and the flow back, as published.
    """
    step, (height, width) = 2 ** (len(networks) - 1), first.shape[1:3]
    rows, columns = (-(-side // step) * step for side in (height, width))
    one, two = (_resized(x.astype(jnp.float32), (rows, columns)) for x in (first, second))
    flow = _resized(levels(networks, one, two)[-1].flow, (height, width))
    return flow * jnp.array([width / columns, height / rows], jnp.float32)


def levels(
    networks: Sequence[Network],
    first: Float[Array, "p h w 3"],
    second: Float[Array, "p h w 3"],
) -> list[Level]:
    """Returns what every level saw and found, the smallest first; sides are multiples of
    2^(levels - 1)."""
    mean, std = jnp.array(MEAN, jnp.float32), jnp.array(STD, jnp.float32)
    pairs = [((first - mean) / std, (second - mean) / std)]
    for _ in networks[1:]:
        one, two = pairs[-1]
        pairs.append((_halved(one), _halved(two)))
    found: list[Level] = []
    for network, (one, two) in zip(networks, reversed(pairs), strict=True):
        if found:
            height, width = one.shape[1:3]
            flow = 2 * resize.resize_align_corners(found[-1].flow, (height, width))
        else:
            flow = jnp.zeros((*one.shape[:3], 2), jnp.float32)
        inputs = jnp.concatenate([one, warp.warp(two, flow, "edge"), flow], axis=-1)
        found.append(Level(inputs, flow + _correction(network, inputs)))
    return found


def _correction(network, x):
    for kernel in network[:-1]:
        x = nn.relu(kernels.apply(kernel, x))
    return kernels.apply(network[-1], x).astype(jnp.float32)


def _halved(x):
    p, h, w, c = x.shape
    return x.reshape(p, h // 2, 2, w // 2, 2, c).mean((2, 4))


def _resized(x, size: tuple[int, int]):
    """Returns images resized, bilinear, pixel centres aligned, not smoothed."""
    if x.shape[1:3] == size:
        return x
    return jax.image.resize(x, (len(x), *size, x.shape[-1]), "bilinear", antialias=False)
