"""Restorers, called on clips of any size and length: pad, window, restore, fix colours, cut."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.models import calls
from daflow_jax.ops import color, pad, resize
from daflow_jax.predict import frames as inputs
from daflow_jax.predict import memory
from daflow_jax.predict.model import Model
from daflow_jax.predict.options import Options
from daflow_jax.predict.placement import Placement

COLOR_FIXES: dict[str, Callable[..., jax.Array] | None] = {
    "none": None,
    "adain": color.adain,
    "wavelet": color.wavelet,
}


class RestorationModel(Model):
    """A restorer with its weights; call it on frames.

    It holds one window of frames, whatever the length of the clip. Every window starts from the
    same noise, if there is any, so a run is a function of frames and seed. The last window of a
    clip reaches back over frames that are done, so that it is as long as the others.
    """

    def __call__(
        self,
        frames: Any,
        *,
        window: int | None = None,
        color_fix: str = "none",
        **options: Any,
    ) -> np.ndarray:
        """Returns float32 (t, s h, s w, 3) in [0, 1], s = `config.scale`.

        Args:
            frames: (t, h, w, 3), uint8, uint16 or float in [0, 1]; any size.
            window: frames that are restored together; None is the model's own clip length.
            color_fix: "none", or give the result the colours of its input by "adain" or "wavelet".
            options: of the network, such as `steps`.
        """
        clip = inputs.as_clip(frames)
        out = None
        restored = self.stream(clip, window=window, color_fix=color_fix, **options)
        for index, frame in enumerate(restored):
            out = np.empty((len(clip), *frame.shape), np.float32) if out is None else out
            out[index] = frame
        assert out is not None
        return out

    def stream(
        self,
        frames: Iterable[np.ndarray],
        *,
        window: int | None = None,
        color_fix: str = "none",
        where: str = "frames",
        **options: Any,
    ) -> Iterator[np.ndarray]:
        """Returns an iterator over the restored frames, float32 (s h, s w, 3) in [0, 1].

        `where` names the frames in errors; the rest is as in a call.
        """
        if window is not None and window < 1:
            raise errors.UserError(f"window {window}", "must be 1 or more", "Raise it")
        if color_fix not in COLOR_FIXES:
            known = errors.nearest(color_fix, COLOR_FIXES)
            raise errors.UserError(f"color fix {color_fix}", "is unknown", known)
        chosen, length = self.options(**options), window or self.config.frames
        return self._windows(iter(frames), length, color_fix, chosen, where)

    def _windows(self, source, length, color_fix, options, where):
        held: list[np.ndarray] = []
        while fresh := _take(source, length, held, where):
            held = (held + fresh)[-length:]
            yield from self._restored(np.stack(held), color_fix, options)[-len(fresh) :]
        if not held:
            raise errors.UserError(where, "no frame", "Name one or more")

    def _restored(self, frames: np.ndarray, color_fix: str, options: Options) -> np.ndarray:
        count, *size = frames.shape[:3]
        self._check_size(pad.padded(tuple(size), self.config.multiple, self.config.minimum))
        plan = Plan(color_fix, options.static)
        what = f"{size[0]}x{size[1]} ({count} frames)"
        try:
            given = frames[None], dict(options.arrays)
            return np.asarray(self.programs(window_function, plan, what, *given))[0]
        except memory.OutOfMemory as error:
            remedy = "Use a smaller --window, smaller frames or more memory"
            raise errors.UserError("memory", str(error), remedy, 3) from None

    def _check_size(self, padded):
        largest = self.config.maximum
        if largest is not None and max(padded) > largest:
            rule = f"{padded[1]}x{padded[0]}; this model ends at {largest}"
            raise errors.UserError("frames", rule, "Make them smaller")


class Plan(NamedTuple):
    """What is static about a restoration: the colour fix, and options of the network's call."""

    color_fix: str
    options: tuple[tuple[str, Any], ...]


def window_function(module: Any, place: Placement, plan: Plan) -> Callable[..., jax.Array]:
    """Returns (variables, key, clips (b, f, h, w, 3), arrays) -> restored clips of any size.

    `arrays` are options that were read from files.
    """
    del place
    config, fix = module.config, COLOR_FIXES[plan.color_fix]
    call = functools.partial(calls.call, module, **dict(plan.options))

    def function(variables, key, clips, arrays):
        around = pad.fit(clips.shape[2:4], config.multiple, config.minimum)
        out = call(variables, key, pad.pad(clips, around), **arrays)
        out = pad.crop(out, around, config.scale).astype(jnp.float32)
        if fix is None:
            return out
        style = resize.resize_align_corners(clips, out.shape[2:4])
        return jnp.clip(fix(out, style), 0.0, 1.0)

    return function


def _take(source, count, held, where) -> list[np.ndarray]:
    taken = []
    for frame in itertools.islice(source, count):
        taken.append(inputs.as_frames(frame, where))
        inputs.same_size(taken[-1].shape, (held or taken)[0].shape, where)
    return taken
