"""The features that the inner network lends, with the weights that the clip at hand asks for."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from daflow_jax.models import taps
from daflow_jax.models.adaptive_flow.model import AdaptiveFlow
from daflow_jax.models.entry import TapSource


def _of_inner(field: str) -> Callable[[Any], Any]:
    return lambda config: getattr(taps.source_of(config.flow), field)(config.flow)


@functools.cache
def build(config: Any, blocks: tuple[Any, ...], steps: int, tap_step: int):
    """Returns the compiled features; see `TapSource`."""
    inner = taps.source_of(config.flow).build(config.flow, blocks, steps, tap_step)
    module = AdaptiveFlow(config, parent=None)

    @jax.jit
    def features(variables, key, frames):
        return inner(module.apply(variables, frames[None], method="adapted"), key, frames)

    return features


TAPS = TapSource(
    kinds=(taps.MAP,),
    blocks=_of_inner("blocks"),
    default=_of_inner("default"),
    patch_size=_of_inner("patch_size"),
    most_steps=_of_inner("most_steps"),
    build=build,
    untrained=taps.untrained,
)
