"""How far two maps of features are apart where a mask counts: FlowE's and PooDLe's dense losses."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from daflow_jax.ops import warp

COUNT = 1e-6  # added to the number of valid pixels (FlowE's form; PooDLe's code has 1e-7)


def unit(x: Float[Array, "*b c"], epsilon: float = 1e-12) -> Float[Array, "*b c"]:
    """Returns `x` over its length along the last axis, in float32; zeros stay zeros, also in the
    gradient.
    """
    x = x.astype(jnp.float32)
    square = jnp.sum(jnp.square(x), -1, keepdims=True)
    known = square > epsilon**2
    return jnp.where(known, x / jnp.sqrt(jnp.where(known, square, 1.0)), 0.0)


def cosine_distance(a: Float[Array, "*b c"], b: Float[Array, "*b c"]) -> Float[Array, "*b"]:
    """Returns 2 - 2 cos(a, b), the squared distance of unit vectors, in [0, 4]."""
    return 2 - 2 * jnp.sum(unit(a) * unit(b), -1)


def agreement(
    online: Float[Array, "b y x c"],
    target: Float[Array, "b y x c"],
    valid: Bool[Array, "b y x"],
    count: float = COUNT,
) -> Float[Array, " b"]:
    """Returns the mean cosine distance over the valid points of every image; 0 without any.

    `target` has no gradient of its own: stop it before.
    """
    weight = valid.astype(jnp.float32)
    distance = jnp.where(valid, cosine_distance(online, target), 0.0)
    return jnp.sum(distance, (1, 2)) / (jnp.sum(weight, (1, 2)) + count)


def round_trip(
    flow: Float[Array, "*b h w 2"], backward: Float[Array, "*b h w 2"]
) -> Float[Array, "*b h w"]:
    """Returns by how many pixels following `flow` and then `backward` misses the start."""
    return jnp.linalg.norm(flow + warp.warp(backward, flow), axis=-1)
