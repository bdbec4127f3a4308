"""Restorers on frames that leave [0, 1]: noise that is neither clipped nor rounded."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from daflow_jax.models import calls
from daflow_jax.ops import pad


class _Plan(NamedTuple):
    options: tuple[tuple[str, Any], ...]


def restorer(model: Any, **options: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the function of float32 frames (t, h, w, 3) around [0, 1] that restores as
    `model(frames)` does, which refuses such frames.

    Args:
        model: a loaded `RestorationModel`. options: of its network's call.
    """
    chosen, config = model.options(**options), model.config
    context = getattr(config, "context", 0)
    length = config.frames * (4 if context else 1)

    def restore(frames: np.ndarray) -> np.ndarray:
        found, start = [], 0
        while start < len(frames):  # windows of one length, but of a clip that is shorter
            first = max(min(start - context, len(frames) - length), 0)
            window = frames[first : first + length]
            what = f"{frames.shape[1]}x{frames.shape[2]} ({len(window)} frames)"
            given = window[None], dict(chosen.arrays)
            out = model.programs(_function, _Plan(chosen.static), what, *given)
            end = first + len(window)
            ready = end if end == len(frames) else end - context
            found.append(np.asarray(out)[0][start - first : ready - first])
            start = ready
        return np.concatenate(found)

    return restore


def _function(module: Any, place: Any, plan: _Plan) -> Callable[..., jax.Array]:
    del place
    config = module.config
    call = functools.partial(calls.call, module, **dict(plan.options))

    def function(variables, key, clips, arrays):
        around = pad.fit(clips.shape[2:4], config.multiple, config.minimum)
        out = call(variables, key, pad.pad(clips, around), **arrays)
        return pad.crop(out, around, config.scale)

    return function
