"""Flow as a mixture of two Laplace distributions: a wide one for hard pixels, a narrow one."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from daflow_jax.ops import laplace


def negative_log_likelihood(
    flow: Float[Array, "*b h w 2"],
    info: Float[Array, "*b h w 4"],
    target: Float[Array, "*#b h w 2"],
    bounds: laplace.Bounds = (0.0, 10.0),
) -> Float[Array, "*b h w 2"]:
    """Returns -log p(target) of each flow component, float32 (SEA-RAFT, eq. 4).

    Args:
        info: weights before the softmax and log scales of the wide and the narrow distribution;
            both components share them.
        bounds: of the log scales, in the order narrow, wide; (0, 0) makes both scales one pixel.
    """
    flow, info, target = (x.astype(jnp.float32) for x in (flow, info, target))
    weights, scales = info[..., :2], laplace.log_scales(info, bounds)
    distance = jnp.abs(target - flow)
    wide, narrow = (
        weights[..., i, None]
        - math.log(2)
        - scales[..., i, None]
        - distance * jnp.exp(-scales[..., i, None])
        for i in (0, 1)
    )
    return jnp.logaddexp(*jnp.split(weights, 2, axis=-1)) - jnp.logaddexp(wide, narrow)


def usable(
    target: Float[Array, "*b h w 2"], valid: Float[Array, "*b h w"], max_flow: float = 400.0
) -> Bool[Array, "*b h w"]:
    """Returns where the target counts: `valid` >= 0.5 and shorter than `max_flow` pixels."""
    return (valid >= 0.5) & (jnp.sum(target**2, axis=-1) < max_flow**2)


def mixture_loss(
    flows: Float[Array, "m *b h w 2"],
    infos: Float[Array, "m *b h w 4"],
    target: Float[Array, "*b h w 2"],
    valid: Float[Array, "*b h w"],
    gamma: float = 0.85,
    max_flow: float = 400.0,
    bounds: laplace.Bounds = (0.0, 10.0),
) -> Float[Array, ""]:
    """Returns the sum over predictions of gamma^(m-1-i) times the mean negative log-likelihood.

    The mean runs over both components of the pixels where `valid` >= 0.5, the target is shorter
    than `max_flow` pixels and the likelihood is finite (SEA-RAFT's code); unlike RAFT's it does not
    shrink with the share of such pixels.
    """
    counted = usable(target, valid, max_flow)
    target = jnp.where(counted[..., None], target, 0.0)
    likelihood = negative_log_likelihood(flows, infos, target[None], bounds)
    means = _masked_mean(likelihood, counted[None, ..., None] & jnp.isfinite(likelihood))
    weights = gamma ** jnp.arange(flows.shape[0] - 1, -1, -1, dtype=jnp.float32)
    return jnp.sum(weights * means)


def _masked_mean(values: Float[Array, "m *b"], mask: Bool[Array, "m *b"]) -> Float[Array, " m"]:
    axes = tuple(range(1, values.ndim))
    total = jnp.sum(jnp.where(mask, values, 0.0), axis=axes)
    return total / jnp.maximum(jnp.sum(mask, axis=axes), 1)
