"""Errors of optical flow. All take flow in pixels and count only where `valid` is set.

Each returns a `Mean` over pixels; shares are fractions from 0 to 1. For a mean over images call
with one image at a time (or under `jax.vmap`) and average.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from daflow_jax.metrics.mean import Mean

SPEED_BINS = {"s0_10": (0.0, 10.0), "s10_40": (10.0, 40.0), "s40": (40.0, float("inf"))}


def _distance(
    flow: Float[Array, "*b h w 2"], target: Float[Array, "*b h w 2"]
) -> Float[Array, "*b h w"]:
    return jnp.linalg.norm(flow.astype(jnp.float32) - target, axis=-1)


def epe(
    flow: Float[Array, "*b h w 2"],
    target: Float[Array, "*b h w 2"],
    valid: Bool[Array, "*b h w"] | Float[Array, "*b h w"],
) -> Mean:
    """Returns the end-point error, pixels: the length of flow minus target."""
    return Mean.of(_distance(flow, target), valid)


def outliers(
    flow: Float[Array, "*b h w 2"],
    target: Float[Array, "*b h w 2"],
    valid: Bool[Array, "*b h w"] | Float[Array, "*b h w"],
    threshold: float | int,
) -> Mean:
    """Returns the share of pixels whose end-point error is above `threshold` pixels."""
    return Mean.of(_distance(flow, target) > threshold, valid)


def fl_all(
    flow: Float[Array, "*b h w 2"],
    target: Float[Array, "*b h w 2"],
    valid: Bool[Array, "*b h w"] | Float[Array, "*b h w"],
) -> Mean:
    """Returns KITTI's outlier share: error above 3 px and above 5 % of the target's length."""
    error = _distance(flow, target)
    wrong = (error > 3.0) & (error > 0.05 * jnp.linalg.norm(target, axis=-1))
    return Mean.of(wrong, valid)


def angular_error(
    flow: Float[Array, "*b h w 2"],
    target: Float[Array, "*b h w 2"],
    valid: Bool[Array, "*b h w"] | Float[Array, "*b h w"],
) -> Mean:
    """Returns the angle between (x, y, 1) of flow and target, degrees (Barron et al. 1994)."""
    flow, target = flow.astype(jnp.float32), target.astype(jnp.float32)
    dot = jnp.sum(flow * target, axis=-1) + 1.0
    u, v = flow[..., 0], flow[..., 1]
    x, y = target[..., 0], target[..., 1]
    cross = jnp.sqrt((v - y) ** 2 + (u - x) ** 2 + (u * y - v * x) ** 2)
    return Mean.of(jnp.degrees(jnp.arctan2(cross, dot)), valid)  # exact near 0, unlike arccos


def epe_by_speed(
    flow: Float[Array, "*b h w 2"],
    target: Float[Array, "*b h w 2"],
    valid: Bool[Array, "*b h w"] | Float[Array, "*b h w"],
) -> dict[str, Mean]:
    """Returns the end-point error by the true speed of the pixels, in `SPEED_BINS` (Sintel's)."""
    error, speed = _distance(flow, target), jnp.linalg.norm(target, axis=-1)
    counted = valid.astype(jnp.float32)
    return {
        name: Mean.of(error, jnp.where((speed >= low) & (speed < high), counted, 0.0))
        for name, (low, high) in SPEED_BINS.items()
    }


def wauc(
    flow: Float[Array, "*b h w 2"],
    target: Float[Array, "*b h w 2"],
    valid: Bool[Array, "*b h w"] | Float[Array, "*b h w"],
) -> Mean:
    """Returns the weighted area under the curve, 0 to 1, 1 = perfect (Spring benchmark; VIPER).

    The mean over i = 1..100 of the share of errors up to i/20 px, weighted by 1 - (i - 1)/100. It
    is linear in the pixels: the i that count form a tail of n weights with the sum n (n + 1) / 200.
    """
    first = jnp.maximum(jnp.ceil(20.0 * _distance(flow, target)), 1.0)
    tail = jnp.clip(101.0 - first, 0.0, 100.0)
    return Mean.of(tail * (tail + 1.0) / (100.0 * 101.0), valid)
