"""The features that RRDB lends: the output of its blocks, a vector for every pixel."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from daflow_jax.models import taps
from daflow_jax.models.entry import TapSource
from daflow_jax.models.rrdb.config import RRDBConfig
from daflow_jax.models.rrdb.model import RRDB

KIND = "hidden"


@functools.cache
def build(
    config: RRDBConfig, blocks: tuple[int, ...], steps: int, tap_step: int
) -> Callable[..., dict[tuple[int, str], tuple[jax.Array, jax.Array]]]:
    """Returns the compiled function of (variables, key, frames (f, h, w, 3)) to
    {(block, "hidden"): (features, features)}, each (f, h, w, width); nothing is denoised, so the
    steps and the key are not read.
    """
    del steps, tap_step
    module = RRDB(config, parent=None)  # whoever calls may be a network itself

    @jax.jit
    def features(variables: Any, key: jax.Array, frames: jax.Array):
        del key
        found = module.apply(variables, frames, blocks, method="features")
        return {(block, KIND): (x, x) for block, x in zip(blocks, found, strict=True)}

    return features


TAPS = TapSource(
    kinds=(KIND,),
    blocks=lambda config: tuple(range(config.blocks)),
    default=lambda config: config.taps,
    patch_size=lambda config: 1,
    most_steps=lambda config: 1,
    build=build,
    untrained=taps.untrained,
)
