"""The features that a restorer lends: queries, keys and hidden states of its blocks."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
from einops import rearrange

from daflow_jax.models.dit4sr.config import RestorerConfig
from daflow_jax.models.dit4sr.restorer import Restorer
from daflow_jax.models.entry import TapSource

KINDS = ("query_key", "key_key", "hidden")


@functools.cache
def build(
    config: RestorerConfig, blocks: tuple[int, ...], steps: int, tap_step: int
) -> Callable[..., dict[tuple[int, str], tuple[jax.Array, jax.Array]]]:
    """Returns the compiled function of (variables, key, frames (f, h, w, 3)) to
    {(block, kind): (query, key)}, each (f, h / patch, w / patch, c), of step `tap_step` of a run of
    `steps` denoising steps.
    """
    dit = dataclasses.replace(config.dit, taps=blocks)
    tapped = {
        kind: Restorer(
            dataclasses.replace(config, dit=dataclasses.replace(dit, tap_kind=kind)),
            parent=None,  # whoever calls may be a network itself
        )
        for kind in ("query_key", "hidden")
    }

    @jax.jit
    def features(variables: Any, key: jax.Array, frames: jax.Array):
        rows, found = frames.shape[1] // config.multiple, {}
        for kind, module in tapped.items():  # XLA merges what both compute
            taps = module.apply(variables, frames[None], key, steps, tap_step, method="features")
            for block, tap in zip(blocks, taps, strict=True):
                query, keys = (rearrange(x[0], "f (h w) c -> f h w c", h=rows) for x in tap)
                found[block, kind] = query, keys
                if kind == "query_key":
                    found[block, "key_key"] = keys, keys
        return found

    return features


def untrained(config: RestorerConfig, seed: int) -> tuple[RestorerConfig, Any]:
    """Returns configuration and variables of the whole network before any training."""
    from daflow_jax.models import calls

    config = dataclasses.replace(config, dit=dataclasses.replace(config.dit, form="full"))
    module = Restorer(config)
    return config, jax.jit(lambda key: calls.init(module, key))(jax.random.key(seed))


def _blocks(config: RestorerConfig) -> tuple[int, ...]:
    return tuple(range(config.dit.blocks))


TAPS = TapSource(
    kinds=KINDS,
    blocks=_blocks,
    default=lambda config: config.dit.taps,
    patch_size=lambda config: config.multiple,
    most_steps=lambda config: None if config.dit.form == "full" else 1,
    build=build,
    untrained=untrained,
)
