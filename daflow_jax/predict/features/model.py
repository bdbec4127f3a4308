"""Networks that turn frames into maps of features, such as the latents of an autoencoder."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from daflow_jax.models import calls
from daflow_jax.ops import pad
from daflow_jax.predict import frames as inputs
from daflow_jax.predict.model import Model
from daflow_jax.predict.placement import Placement


class FeatureModel(Model):
    """A network of features with its weights; call it on frames."""

    def __call__(self, frames: np.ndarray, **options: Any) -> np.ndarray:
        """Returns float32 maps (t, h', w', c) of the frames, padded to what the network takes.

        Args:
            frames: (t, h, w, 3), uint8, uint16 or float in [0, 1]; any size. The network sees
                `config.frames` at a time, of a shorter last window the last frame repeatedly.
            options: of the network.
        """
        clip, chosen, length = inputs.as_clip(frames), self.options(**options), self.config.frames
        parts = []
        for first in range(0, len(clip), length):
            window = inputs.take(clip, slice(first, first + length))
            missing = length - len(window)
            padded = np.concatenate([window, *[window[-1:]] * missing])
            parts.append(self._maps(padded, chosen)[: len(window)])
        return np.concatenate(parts)

    def _maps(self, frames, options):
        what = f"{frames.shape[1]}x{frames.shape[2]} ({len(frames)} frames)"
        given = frames[None], dict(options.arrays)
        maps = self.programs(maps_function, options.static, what, *given)
        return np.asarray(maps, np.float32)[0]


def maps_function(module: Any, place: Placement, plan: Any) -> Callable[..., jax.Array]:
    """Returns (variables, key, clips (b, f, h, w, 3), arrays) -> maps of padded clips; `plan` holds
    options of the network's call, (name, value)."""
    del place
    config = module.config

    def function(variables, key, clips, arrays):
        padded = pad.pad(clips, pad.fit(clips.shape[2:4], config.multiple, config.minimum))
        return calls.call(module, variables, key, padded, **dict(plan), **arrays)

    return function
