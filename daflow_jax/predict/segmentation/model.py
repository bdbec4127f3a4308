"""Networks that share every pixel of a frame among masks, called on frames of any size."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.models import calls
from daflow_jax.ops import pad
from daflow_jax.predict import frames as inputs
from daflow_jax.predict.model import Model
from daflow_jax.predict.placement import Placement


class SegmentationModel(Model):
    """A segmenter with its weights; call it on frames."""

    def __call__(self, frames: np.ndarray, **options: Any) -> np.ndarray:
        """Returns float32 shares (t, h, w, masks) of every pixel, which sum to 1.

        Frames are seen one at a time, at `config.side` pixels of the longer side if that is set;
        the shares are brought back to their size (bilinear).

        Args:
            frames: (t, h, w, 3), uint8, uint16 or float in [0, 1]; any size.
            options: of the network.
        """
        clip, chosen = inputs.as_clip(frames), self.options(**options)
        parts = []
        for number in range(len(clip)):
            frame = inputs.take(clip, slice(number, number + 1))
            what = f"{frame.shape[1]}x{frame.shape[2]}"
            given = frame[None], dict(chosen.arrays)
            parts.append(np.asarray(self.programs(shares_function, chosen.static, what, *given)))
        return np.concatenate(parts).astype(np.float32)

    def labels(self, frames: np.ndarray, **options: Any) -> np.ndarray:
        """Returns the mask with the largest share of every pixel, uint8 (t, h, w)."""
        parts = [self(frame[None], **options).argmax(-1) for frame in inputs.as_clip(frames)]
        return np.concatenate(parts).astype(np.uint8)


def seen_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Returns the (height, width) at which frames are seen: the longer one is `side` pixels."""
    scale = side / max(size) if side else 1.0
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def shares_function(module: Any, place: Placement, plan: Any) -> Callable[..., jax.Array]:
    """Returns (variables, key, clips (1, 1, h, w, 3), arrays) -> shares (1, h, w, masks); `plan`
    holds options of the network's call, (name, value)."""
    del place
    config = module.config

    def function(variables, key, clips, arrays):
        size = clips.shape[2:4]
        seen = seen_size(size, config.side)
        small = jax.image.resize(clips, (1, 1, *seen, 3), "linear") if seen != size else clips
        around = pad.fit(seen, config.multiple, config.minimum)
        padded = pad.pad(jnp.clip(small, 0, 1), around)
        logits = calls.call(module, variables, key, padded, **dict(plan), **arrays)[:, 0]
        shares = jax.nn.softmax(logits.astype(jnp.float32), -1)
        whole = jax.image.resize(shares, (1, *padded.shape[2:4], shares.shape[-1]), "linear")
        cut = pad.crop(whole, around)
        return jax.image.resize(cut, (1, *size, cut.shape[-1]), "linear")

    return function
