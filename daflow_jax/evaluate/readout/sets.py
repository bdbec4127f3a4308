"""Labelled frames by name, to train a readout on and to measure it."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from daflow_jax import errors
from daflow_jax.synthetic import host, scene, shapes

SMALL = 0.02  # [choice] share of the frame below which an instance counts as small


class Labelled(NamedTuple):
    """frames: (n, h, w, 3) in [0, 1]. classes: (n, h, w) int32, -1 where unknown. small: (n, h, w),
    whether a pixel is of a small instance. names: of the classes.
    """

    frames: np.ndarray
    classes: np.ndarray
    small: np.ndarray
    names: tuple[str, ...]


Factory = Callable[[int, tuple[int, int], int], Labelled]  # (count, (height, width), first clip)


def generated(count: int, size: tuple[int, int], first: int, nonrigid: float = 0.3) -> Labelled:
    """Returns first frames of held-out clips of the generator, from clip number `first` on, with
    its seven classes of outlines.
    """
    config = scene.SceneConfig(2, *size, nonrigid=nonrigid)
    clips = [host.clip(config, scene.EVAL_SEED, first + k, backward=False) for k in range(count)]
    frames, classes, instances = (
        np.stack([clip[key][0] for clip in clips]) for key in ("hq", "classes", "instances")
    )
    return Labelled(frames, classes, _small(instances), shapes.NAMES)


def _small(instances: np.ndarray) -> np.ndarray:
    out = np.zeros(instances.shape, bool)
    for frame, mask in zip(instances, out, strict=True):
        numbers, counts = np.unique(frame, return_counts=True)
        few = [n for n, c in zip(numbers, counts, strict=True) if n and c < SMALL * frame.size]
        mask |= np.isin(frame, few)
    return out


SETS: dict[str, Factory] = {
    "shapes": generated,
    "shapes-rigid": functools.partial(generated, nonrigid=0.0),
}


def register(name: str, factory: Factory) -> Factory:
    """Adds a set; returns its factory. Raises ValueError for a name that another one has."""
    if SETS.get(name, factory) is not factory:
        raise ValueError(f"set {name!r} is registered already; take another name")
    SETS[name] = factory
    return factory


def get(name: str) -> Factory:
    """Returns the factory of a set. Raises UserError for an unknown name."""
    if name not in SETS:
        raise errors.UserError(f"readout set {name!r}", "is unknown", errors.nearest(name, SETS))
    return SETS[name]
