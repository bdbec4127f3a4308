"""The compiled functions of restorers: frames of any size to restored ones."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from daflow_jax import models
from daflow_jax.models import calls
from daflow_jax.ops import color, pad, resize
from daflow_jax.predict.placement import Placement

COLOR_FIXES: dict[str, Callable[..., jax.Array] | None] = {
    "none": None,
    "adain": color.adain,
    "wavelet": color.wavelet,
}


class Plan(NamedTuple):
    """What is static about a restoration.

    color_fix: a name in COLOR_FIXES. options: of the network's call. levels: results are uint8, not
    float32. count: results of a window of a recurrent network.
    """

    color_fix: str
    options: tuple[tuple[str, Any], ...] = ()
    levels: bool = False
    count: int = 0


def window_function(module: Any, place: Placement, plan: Plan) -> Callable[..., jax.Array]:
    """Returns (variables, key, clips (b, f, h, w, 3), arrays) -> restored clips of any size.

    `arrays` are options that were read from files.
    """
    del place
    config = module.config
    call = functools.partial(calls.call, module, **dict(plan.options))

    def function(variables, key, clips, arrays):
        around = pad.fit(clips.shape[2:4], config.multiple, config.minimum)
        out = call(variables, key, pad.pad(clips, around), **arrays)
        return _finished(pad.crop(out, around, config.scale), clips, plan)

    return function


def part_function(module: Any, place: Placement, plan: Plan) -> Callable[..., Any]:
    """Returns (variables, key, clips (b, f, h, w, 3), state, exist) -> (the first `plan.count`
    frames restored, the state after them); see `daflow_jax.models.entry.Recurrence`."""
    del place
    config = module.config
    part = models.loaded(models.entry_of(config).recurrence).part

    def function(variables, key, clips, state, exist):
        del key
        around = pad.fit(clips.shape[2:4], config.multiple, config.minimum)
        out, state = part(module, variables, pad.pad(clips, around), state, plan.count, exist)
        out = pad.crop(out, around, config.scale)
        return _finished(out, clips[:, : plan.count], plan), state

    return function


def state_before(module: Any, size: tuple[int, int]) -> Any:
    """Returns the state of a recurrent network before the first frame of (height, width)."""
    config = module.config
    recurrence = models.loaded(models.entry_of(config).recurrence)
    return recurrence.start(module, 1, pad.padded(size, config.multiple, config.minimum))


def _finished(out, clips, plan):
    out, fix = out.astype(jnp.float32), COLOR_FIXES[plan.color_fix]
    if fix is not None:
        style = resize.resize_align_corners(clips, out.shape[2:4])
        out = jnp.clip(fix(out, style), 0.0, 1.0)
    return jnp.rint(255 * out).astype(jnp.uint8) if plan.levels else out
