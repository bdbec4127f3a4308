"""Whether an uncertainty ranks the errors: what is left when the least sure pixels are removed."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

REMOVED = tuple(k / 20 for k in range(20))  # [choice] shares of the pixels, 0 to 0.95


class Sparsification(NamedTuple):
    """EPE of the pixels that remain, over that of all pixels, at each share of `REMOVED`.

    by_uncertainty: without the least sure ones. by_error: without the worst ones, the oracle; no
    ranking is lower. Pixels removed at random leave 1 everywhere. NaN where no pixel errs.
    """

    by_uncertainty: Float[Array, " n"]
    by_error: Float[Array, " n"]

    def ause(self) -> Float[Array, ""]:
        """Returns the area between both curves, 0 = as good as the oracle (Ilg et al. 2018)."""
        return _area(self.by_uncertainty - self.by_error)

    def ause_random(self) -> Float[Array, ""]:
        """Returns the same of a random order: an uncertainty above this misleads."""
        return _area(1.0 - self.by_error)


def sparsify(
    flow: Float[Array, "h w 2"],
    target: Float[Array, "h w 2"],
    valid: Bool[Array, "h w"],
    uncertainty: Float[Array, "h w"],
) -> Sparsification:
    """Returns the sparsification curves of one image (Ilg et al., ECCV 2018, sec. 5.1).

    Equally uncertain pixels leave together: each counts with the mean error of all of them, which
    is what a random order among them gives on average.

    Args:
        uncertainty: higher is less sure; only its order matters.
    """
    error = jnp.linalg.norm(flow.astype(jnp.float32) - target, axis=-1)
    error, score = (jnp.where(valid, x, -jnp.inf).ravel() for x in (error, uncertainty))
    count = jnp.sum(valid)
    curves = (_remaining(error, by, count) for by in (score, error))
    return Sparsification(*(curve / curve[0] for curve in curves))


def _remaining(error: Array, score: Array, count: Array) -> Array:
    """Returns the mean error at each share; the last `count` pixels in the order of score count."""
    order = jnp.argsort(score)
    error, score = error[order], score[order]
    counted = jnp.arange(len(error)) >= len(error) - count
    group = jnp.cumsum(jnp.concatenate([jnp.zeros(1, bool), score[1:] != score[:-1]]))
    sums, members = (
        jax.ops.segment_sum(jnp.where(counted, x, 0.0), group, len(error), indices_are_sorted=True)
        for x in (error, jnp.ones_like(error))
    )
    level = jnp.where(counted, (sums / members)[group], 0.0)
    kept = count - jnp.floor(jnp.asarray(REMOVED) * count).astype(int)
    return jnp.cumsum(level)[len(error) - count + kept - 1] / kept


def _area(curve: Array) -> Array:
    return jnp.trapezoid(curve, jnp.asarray(REMOVED))
