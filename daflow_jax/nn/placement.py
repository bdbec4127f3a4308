"""Where frames and feature maps go on a mesh: clips are split, and the queries of correlations."""

import dataclasses

from jaxtyping import Array, Float

from daflow_jax.ops import correlation
from daflow_jax.sharding import axes


def clip(x: Float[Array, "b f h w c"]) -> Float[Array, "b f h w c"]:
    """Returns frames or features of clips, split by clips."""
    return axes.constrain(x, "batch", "frames", "image_rows", "columns", "channels")


def maps(x: Float[Array, "p h w c"]) -> Float[Array, "p h w c"]:
    """Returns frames or features of pairs, split by pairs."""
    return axes.constrain(x, "batch", "image_rows", "columns", "channels")


def joined(x: Float[Array, "m p h w c"]) -> Float[Array, "m*p h w c"]:
    """Returns the maps of m iterations as one batch, split by pairs."""
    if axes.size("batch") > 1:  # pairs first, so that each device's maps stay together
        x = x.swapaxes(0, 1)
    return maps(x.reshape(-1, *x.shape[2:]))


def pyramid(corr: correlation.Pyramid) -> correlation.Pyramid:
    """Returns the correlation pyramid, split by pairs and query pixels: each device looks up
    its own pixels, in the whole second frame.
    """
    levels = (axes.constrain(x, "batch", "tokens", "targets", "targets") for x in corr.levels)
    return dataclasses.replace(corr, levels=tuple(levels))
