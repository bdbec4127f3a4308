"""The loss of one batch of points, and how its parts weigh during a fit."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from daflow_jax.losses import tracks as losses
from daflow_jax.ops import rays

PUBLISHED_STEPS = 100_000  # of the published fits, by which the weights of the loss are dated


class Batch(NamedTuple):
    """Points of frames and where the flow says that they are in other frames, in pixels.

    rgb: of the points, in [0, 1]. weight: of the flow. jitter: in [0, 1), of the samples.
    """

    source: Int[Array, " b"]
    target: Int[Array, " b"]
    points: Float[Array, "b n 2"]
    places: Float[Array, "b n 2"]
    rgb: Float[Array, "b n 3"]
    weight: Float[Array, "b n"]
    jitter: Float[Array, "b n s"]


class Weights(NamedTuple):
    """Of the parts of the loss beside the flow's, which counts 1 (the published ones)."""

    rgb: Any = 1.0
    depth: Any = 10.0
    distortion: Any = 1.0
    smoothness: Any = 20.0
    gradient: Any = 0.01


def weights(step: Array | int, steps: int) -> Weights:
    """Returns the weights of a step of a fit of `steps`: the published ones, in proportion.

    Colour grows from 0 to 10 within the first half, the gradient of flow to 0.1 over half of it;
    the spread of rays counts after 40 % of the steps, and 10 from 60 % on.
    """
    date = jnp.asarray(step, jnp.float32) * (PUBLISHED_STEPS / steps)
    return Weights(
        rgb=jnp.clip(date / 5000, 0, 10),
        distortion=jnp.clip((date - 40_000) / 2000, 0, 10),
        gradient=jnp.clip(date / 500_000, 0, 0.1),
    )


def parts(module: Any, params: Any, batch: Batch) -> dict[str, Float[Array, ""]]:
    """Returns the seven losses by name, unweighted; see `losses.tracks`."""
    config, variables = module.config, {"params": params}
    batch = Batch(*map(jnp.asarray, batch))
    size = config.height, config.width
    given = batch.points, batch.source, batch.target, batch.jitter
    found = module.apply(variables, *given, method="predictions")
    flat = lambda x, c: x.reshape(-1, c)  # noqa: E731
    landed = rays.inside(found.place, *size).reshape(-1)
    shown = rays.inside(batch.points, *size).reshape(-1) & jnp.any(landed)
    rgb = flat(found.rgb, 3), flat(batch.rgb, 3)
    place, weight = (flat(found.place, 2), flat(batch.places, 2)), batch.weight.reshape(-1)
    quarter = found.here[:, : batch.points.shape[1] // 4]
    before, after = module.apply(variables, quarter, batch.source, method="neighbours")
    inner = (batch.source >= 1) & (batch.source < config.frames - 1)
    return {
        "flow": losses.flow(*place, weight, landed),
        "rgb": losses.mean_square(*rgb, shown),
        "rgb_gradient": losses.gradient(*rgb, shown),
        "depth": losses.depth_range(found.there[..., 2], *rays.DEPTHS),
        "distortion": losses.distortion(found.here[..., 2], found.weights),
        "smoothness": losses.smoothness(before, quarter, after, inner[:, None, None]),
        "gradient": losses.gradient(*place, landed, weight),
    }


def total(found: dict[str, jax.Array], by: Weights) -> Float[Array, ""]:
    """Returns the weighted sum of `parts`."""
    return (
        found["flow"]
        + by.rgb * (found["rgb"] + found["rgb_gradient"])
        + by.depth * found["depth"]
        + by.distortion * found["distortion"]
        + by.smoothness * found["smoothness"]
        + by.gradient * found["gradient"]
    )
