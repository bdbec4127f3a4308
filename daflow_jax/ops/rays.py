"""Parallel rays through pixels into the depth of a picture, and what lies on them (OmniMotion)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

DEPTHS = (0.0, 2.0)  # nearest and farthest (OmniMotion, configs/default.txt)
TINY = 1e-10
BEHIND = 1.1  # of the distance of samples: nearer than that nothing hides a point


def depths(samples: int, jitter: Float[Array, "*b s"] | None = None) -> Float[Array, "*b s"]:
    """Returns the depths of samples, equally far apart; with `jitter`, numbers in [0, 1), each
    anywhere in its stratum.
    """
    even = jnp.asarray(np.linspace(*DEPTHS, samples, dtype=np.float32))
    if jitter is None:
        return even
    middle = 0.5 * (even[1:] + even[:-1])
    upper = jnp.concatenate([middle, even[-1:]])
    lower = jnp.concatenate([even[:1], middle])
    return lower + (upper - lower) * jitter


def lift(
    pixels: Float[Array, "b n 2"], depth: Float[Array, "*#b s"], height: int, width: int
) -> Float[Array, "b n s 3"]:
    """Returns samples of the rays through pixels: x, y in [-1, 1] over the frame, and depth."""
    xy = pixels / jnp.asarray((width - 1.0, height - 1.0)) * 2 - 1
    shape = (*pixels.shape[:2], depth.shape[-1])
    xy = jnp.broadcast_to(xy[:, :, None], (*shape, 2))
    return jnp.concatenate([xy, jnp.broadcast_to(depth, shape)[..., None]], -1)


def project(x: Float[Array, "*b 3"], height: int, width: int) -> Float[Array, "*b 2"]:
    """Returns the pixels of points."""
    return (x[..., :2] + 1) * jnp.asarray((width - 1.0, height - 1.0)) / 2


def weights(alpha: Float[Array, "*b s"]) -> Float[Array, "*b s"]:
    """Returns how much of a ray's light ends at each sample."""
    passed = jnp.cumprod(1 - alpha + TINY, -1)[..., :-1]
    return alpha * jnp.concatenate([jnp.ones_like(alpha[..., :1]), passed], -1)


def heaviest(weight: Float[Array, "*b s"], x: Float[Array, "*b s 3"]) -> Float[Array, "*b 3"]:
    """Returns the sample of the largest weight of every ray."""
    place = jnp.argmax(weight, -1)[..., None, None]
    return jnp.take_along_axis(x, place, -2)[..., 0, :]


def inside(pixels: Float[Array, "*b 2"], height: int, width: int) -> Bool[Array, "*b"]:
    """Returns whether pixels lie between the centres of the outermost ones, these included."""
    limits = jnp.asarray((width - 1.0, height - 1.0))
    return jnp.all((pixels >= 0) & (pixels <= limits), -1)


def in_front(
    weight: Float[Array, "*b s"], depth: Float[Array, " s"], of: Float[Array, "*b"]
) -> Float[Array, "*b"]:
    """Returns the weight of the samples that lie clearly nearer than a depth `of` the same ray."""
    margin = BEHIND * (DEPTHS[1] - DEPTHS[0]) / weight.shape[-1]
    return jnp.sum(jnp.where(depth < of[..., None] - margin, weight, 0), -1)
