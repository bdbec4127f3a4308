"""Masks against annotated objects: intersection over union, and the adjusted Rand index.

Masks have no names, so each object is compared with the mask that fits it best. That reads the
annotation: masks drawn at random score above 0. `docs/motion_segments.md` has the level
of such controls.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

MOST = 64  # [choice] objects of one frame; pixels of further ones do not count


def overlaps(
    labels: Int[Array, "*b h w"], true: Int[Array, "*b h w"], masks: int, objects: int = MOST
) -> Float[Array, "*b k o"]:
    """Returns how many pixels mask k shares with object o; labels outside the tables are left out.

    Args:
        labels: the mask of every pixel, 0..masks-1. true: its object, 0 = background.
    """
    known = ((true >= 0) & (true < objects))[..., None]
    first = jax.nn.one_hot(labels, masks) * known
    second = jax.nn.one_hot(true, objects)
    return jnp.einsum("...hwk,...hwo->...ko", first, second, precision="highest")


def best_iou(table: Float[Array, "*b k o"]) -> Float[Array, "*b o"]:
    """Returns for each object the intersection over union with the mask that fits it best; NaN for
    one without pixels.
    """
    ours, theirs = table.sum(-1, keepdims=True), table.sum(-2, keepdims=True)
    ratio = table / jnp.maximum(ours + theirs - table, 1)
    return jnp.where(theirs[..., 0, :] > 0, ratio.max(-2), jnp.nan)


def object_iou(table: Float[Array, "*b k o"], least: int = 16) -> Float[Array, "*b"]:
    """Returns the mean of `best_iou` over the objects that are not the background and have at least
    `least` pixels; NaN where there is none.
    """
    counted = (table.sum(-2) >= least).at[..., 0].set(False)
    total = jnp.sum(jnp.where(counted, best_iou(table), 0), -1)
    count = jnp.sum(counted, -1)
    return jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.nan)


def foreground_iou(table: Float[Array, "*b k o"]) -> Float[Array, "*b"]:
    """Returns the intersection over union of all objects together with the best union of masks.

    Every mask belongs to the foreground or not: the best of these choices is taken, an upper bound
    of any merging. NaN where there are no objects.
    """
    back = table[..., 0]
    front = table.sum(-1) - back
    choices = _subsets(table.shape[-2])  # (2^k, k)
    hit, miss = (
        jnp.einsum("ck,...k->...c", choices, x, precision="highest") for x in (front, back)
    )
    every = front.sum(-1)
    best = (hit / jnp.maximum(every[..., None] + miss, 1)).max(-1)
    return jnp.where(every > 0, best, jnp.nan)


def two_mask_iou(first: Bool[Array, "*b h w"], front: Bool[Array, "*b h w"]) -> Float[Array, "*b"]:
    """Returns the better intersection over union of a mask and of its complement with the
    foreground, per frame: the protocol of DAVIS 2016, SegTrack v2 and FBMS-59 in Guess What Moves.
    """
    found = []
    for mask in (first, ~first):
        both = jnp.sum(mask & front, (-2, -1), dtype=jnp.float32)
        either = jnp.sum(mask | front, (-2, -1), dtype=jnp.float32)
        found.append(both / jnp.maximum(either, 1e-12))
    return jnp.maximum(*found)


def adjusted_rand(table: Float[Array, "*b k o"], foreground: bool = False) -> Float[Array, "*b"]:
    """Returns the adjusted Rand index of masks and objects (Hubert and Arabie 1985): 1 = equal
    partitions, 0 = as good as chance; `foreground` leaves out the pixels of object 0.

    NaN without pixels; 1 where both have one part.
    """
    table = table[..., 1:] if foreground else table

    def pairs(x):
        return jnp.sum(x * (x - 1) / 2, -1)

    count = table.sum((-2, -1))
    both = pairs(table.reshape(*table.shape[:-2], -1))
    ours, theirs = pairs(table.sum(-1)), pairs(table.sum(-2))
    chance = ours / jnp.maximum(count * (count - 1) / 2, 1) * theirs
    most = (ours + theirs) / 2
    trivial = jnp.abs(most - chance) < 0.5
    index = (both - chance) / jnp.where(trivial, 1, most - chance)
    return jnp.where(count > 0, jnp.where(trivial, 1.0, index), jnp.nan)


def mean_of_sequences(scores: Mapping[str, Sequence[float]], first: int = 0) -> float:
    """Returns the mean over sequences of the mean over their frames from number `first` on (DAVIS
    2016 in Guess What Moves: 2, which leaves out two frames).
    """
    return float(np.mean([np.mean(list(frames)[first:]) for frames in scores.values()]))


def mean_of_frames(scores: Mapping[str, Sequence[float]]) -> float:
    """Returns the mean over all frames (SegTrack v2, FBMS-59)."""
    return float(np.mean([score for frames in scores.values() for score in frames]))


def _subsets(count: int) -> np.ndarray:
    if count > 12:
        raise ValueError(f"{count} masks have too many unions to try; use at most 12")
    numbers = np.arange(2**count)[:, None]
    return ((numbers >> np.arange(count)) & 1).astype(np.float32)
