"""Interpolators, called on clips: the frames between each pair of neighbours."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from daflow_jax import errors
from daflow_jax.models import calls
from daflow_jax.ops import pad
from daflow_jax.predict import frames as inputs
from daflow_jax.predict.model import Model
from daflow_jax.predict.placement import Placement


class InterpolationModel(Model):
    """An interpolator with its weights; call it on frames and times."""

    def __call__(
        self, frames: np.ndarray, times: Sequence[float] = (0.5,), **options: Any
    ) -> np.ndarray:
        """Returns float32 (t-1, n, h, w, 3) in [0, 1]: n frames between each pair of neighbours.

        Args:
            frames: (t, h, w, 3), uint8, uint16 or float in [0, 1]; any size.
            times: n numbers in (0, 1), 0 = the first frame of a pair, 1 = the second.
            options: of the network.
        """
        if not len(times) or not all(0 < time < 1 for time in times):
            rule = f"{tuple(times)} are not between 0 and 1"
            raise errors.UserError("times", rule, "Pass numbers such as (0.25, 0.5, 0.75)")
        clip, chosen = inputs.as_clip(frames), self.options(**options)
        if len(clip) < 2:
            rule = "one frame only; interpolation needs two"
            raise errors.UserError("frames", rule, "Add a second frame")
        out = np.empty((len(clip) - 1, len(times), *clip[0].shape[:2], 3), np.float32)
        for index in range(len(out)):
            out[index] = self._between(inputs.take(clip, slice(index, index + 2)), times, chosen)
        return out

    def _between(self, pair, times, options):
        pairs = np.broadcast_to(pair, (len(times), *pair.shape))
        what = f"{pair.shape[1]}x{pair.shape[2]} ({len(times)} times)"
        given = pairs, np.asarray(times, np.float32), dict(options.arrays)
        return np.asarray(self.programs(pair_function, options.static, what, *given))


def pair_function(module: Any, place: Placement, plan: Any) -> Callable[..., jax.Array]:
    """Returns (variables, key, pairs (b, 2, h, w, 3), times (b,), arrays) -> frames of any size;
    `plan` holds options of the network's call, (name, value)."""
    del place
    config = module.config

    def function(variables, key, pairs, times, arrays):
        around = pad.fit(pairs.shape[2:4], config.multiple, config.minimum)
        given = pad.pad(pairs, around), times
        out = calls.call(module, variables, key, *given, **dict(plan), **arrays)
        return pad.crop(out, around)

    return function
