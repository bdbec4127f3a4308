"""OmniMotion's losses (ICCV 2023), as the published criterion computes them.

Its "quantile 1" tests are strict: the element with the largest error never counts. The "gradient"
losses compare differences of neighbours in the list of points, in whatever order they were drawn.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

TINY = 1e-8


def trimmed_mean(errors: Float[Array, " n"], known: Bool[Array, " n"]) -> Float[Array, ""]:
    """Returns the mean of the known errors that are below their largest; 0 where there is none."""
    kept = _kept(errors, known)
    return _over(jnp.sum(jnp.where(kept, errors, 0)), jnp.sum(kept))


def flow(
    predicted: Float[Array, "n 2"],
    true: Float[Array, "n 2"],
    weight: Float[Array, " n"],
    known: Bool[Array, " n"],
) -> Float[Array, ""]:
    """Returns the mean over kept points of weight times the mean absolute error in x and y."""
    errors = jnp.mean(jnp.abs(predicted - true), -1)
    kept = _kept(errors, known)
    return _over(jnp.sum(jnp.where(kept, errors * weight, 0)), jnp.sum(kept))


def gradient(
    predicted: Float[Array, "n c"],
    true: Float[Array, "n c"],
    known: Bool[Array, " n"],
    weight: Float[Array, " n"] | None = None,
) -> Float[Array, ""]:
    """Returns the trimmed error of differences between each known point and the one before it.

    With `weight` each difference counts by both points' weights, and the mean is weighted.
    """
    before, has_one = _previous(known)
    has_one = known & has_one
    wanted = true - true[before]
    errors = jnp.mean(jnp.abs(predicted - predicted[before] - wanted), -1)
    kept = _kept(errors, has_one)
    share = kept.astype(jnp.float32)
    if weight is None:
        return _over(jnp.sum(share * errors), jnp.sum(share))
    share = share * weight * weight[before]
    return jnp.sum(jnp.where(kept, share * errors, 0)) / (jnp.sum(share) + TINY)


def mean_square(
    predicted: Float[Array, "n c"], true: Float[Array, "n c"], known: Bool[Array, " n"]
) -> Float[Array, ""]:
    """Returns the mean squared error of the known rows."""
    errors = jnp.mean(jnp.square(predicted - true), -1)
    return _over(jnp.sum(jnp.where(known, errors, 0)), jnp.sum(known))


def depth_range(depth: Float[Array, "*b"], low: float, high: float) -> Float[Array, ""]:
    """Returns the mean square of how far depths leave their range."""
    outside = jnp.maximum(depth - high, 0) + jnp.maximum(low - depth, 0)
    return jnp.mean(jnp.square(outside))


def distortion(depth: Float[Array, "*b s"], weight: Float[Array, "*b s"]) -> Float[Array, ""]:
    """Returns how far the weight of rays is spread in depth (mip-NeRF 360); intervals begin at the
    samples, the last has no length.
    """
    edges = jnp.concatenate([depth, depth[..., -1:]], -1)
    middle = 0.5 * (edges[..., 1:] + edges[..., :-1])
    apart = jnp.abs(middle[..., :, None] - middle[..., None, :])
    between = jnp.sum(weight * jnp.sum(weight[..., None, :] * apart, -1), -1)
    within = jnp.sum(jnp.square(weight) * jnp.diff(edges), -1) / 3
    return jnp.mean(between + within)


def smoothness(
    before: Float[Array, "*b 3"],
    here: Float[Array, "*b 3"],
    after: Float[Array, "*b 3"],
    known: Bool[Array, "*#b"],
) -> Float[Array, ""]:
    """Returns the trimmed difference of the motions of points to their last and next places."""
    errors = jnp.mean(jnp.abs((here - before) - (after - here)), -1)
    return trimmed_mean(errors.reshape(-1), jnp.broadcast_to(known, errors.shape).reshape(-1))


def _kept(errors, known):
    largest = jnp.max(jnp.where(known, jax.lax.stop_gradient(errors), -jnp.inf))
    return known & (errors < largest)


def _previous(known):
    """Returns for every place the last known one before it, and whether there is one."""
    places = jnp.where(known, jnp.arange(len(known)), -1)
    last = jax.lax.cummax(places)
    before = jnp.concatenate([jnp.full(1, -1, last.dtype), last[:-1]])
    return jnp.maximum(before, 0), before >= 0


def _over(total, count):
    return jnp.where(count > 0, total / jnp.maximum(count, 1), 0.0)
