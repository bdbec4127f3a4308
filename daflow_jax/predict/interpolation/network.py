"""An interpolator on padded frames that stay on the device."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.models import calls
from daflow_jax.predict import frames as inputs
from daflow_jax.predict import memory
from daflow_jax.predict.options import Options
from daflow_jax.predict.placement import Placement

Size = tuple[int, int]


class Plan(NamedTuple):
    """What is static: flips = also the turned frames, averaged; options of the network's call."""

    flips: bool
    options: tuple[tuple[str, Any], ...]


class Network:
    """A network called on pairs of padded frames, one pair at a time.

    Frames get zeros at the bottom and on the right, as RIFE's scripts pad, up to a multiple that an
    option `scale` below 1 makes larger.

    Args:
        model: an InterpolationModel. options: of its call. flips: average with the result for
            frames that are flipped in both axes.
        size: (height, width) of the frames.
    """

    def __init__(self, model: Any, options: Options, flips: bool, size: Size):
        self.programs, self.config, self._options = model.programs, model.config, options
        self.name, self.size, self._plan = model.name, size, Plan(flips, options.static)
        self.padded = padded_size(size, model.config, options)

    def put(self, frame: np.ndarray) -> jax.Array:
        """Returns a frame (h, w, 3) on the device, float32 (1, H, W, 3), padded."""
        if frame.dtype != np.uint8:
            frame = inputs.as_frames(frame)
        return _padded(jax.device_put(frame, self.programs.place.whole()), self.padded)

    def between(self, first: jax.Array, second: jax.Array, time: float = 0.5) -> jax.Array:
        """Returns the padded frame between two padded ones."""
        what = f"{self.size[0]}x{self.size[1]}"
        given = first, second, np.full(1, time, np.float32), dict(self._options.arrays)
        try:
            return self.programs(between_function, self._plan, what, *given)
        except memory.OutOfMemory as error:
            remedy = "Use smaller frames or more memory"
            raise errors.UserError("memory", str(error), remedy, 3) from None

    def cropped(self, frame: jax.Array, whole: bool) -> jax.Array:
        """Returns (h, w, 3) of a padded frame: uint8 if `whole`, else float32."""
        return _cropped(frame, self.size, whole)

    def repadded(self, frame: jax.Array) -> jax.Array:
        """Returns a padded frame whose padding is zeros again."""
        return _padded(self.cropped(frame, False), self.padded)

    def squeezed(self, frame: jax.Array, whole: bool) -> jax.Array:
        """Returns (h, w, 3) of a padded frame resized by nearest neighbour instead of cropped."""
        return _squeezed(frame, self.size, whole)


def padded_size(size: Size, config: Any, options: Options) -> Size:
    """Returns the (height, width) to which frames are padded."""
    scale = options.get("scale") or 1
    multiple = max(config.multiple, int(config.multiple / scale))
    height, width = (-(-max(side, config.minimum) // multiple) * multiple for side in size)
    return height, width


def between_function(module: Any, place: Placement, plan: Plan) -> Callable[..., jax.Array]:
    """Returns (variables, key, first, second, times (b,), arrays) -> padded frames between padded
    ones (b, H, W, 3)."""
    del place
    call = functools.partial(calls.call, module, **dict(plan.options))

    def function(variables, key, first, second, times, arrays):
        def once(pair):
            return call(variables, key, pair, times, **arrays).astype(jnp.float32)

        pair = jnp.stack([first, second], 1)
        if not plan.flips:
            return once(pair)
        return (once(pair) + once(pair[..., ::-1, ::-1, :])[..., ::-1, ::-1, :]) / 2

    return function


@functools.partial(jax.jit, static_argnums=1)
def _padded(frame: jax.Array, size: Size) -> jax.Array:
    frame = frame / jnp.float32(255) if frame.dtype == jnp.uint8 else frame
    below, right = size[0] - frame.shape[0], size[1] - frame.shape[1]
    return jnp.pad(frame, ((0, below), (0, right), (0, 0)))[None]


@functools.partial(jax.jit, static_argnums=(1, 2))
def _cropped(frame: jax.Array, size: Size, whole: bool) -> jax.Array:
    return _shown(frame[0, : size[0], : size[1]], whole)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _squeezed(frame: jax.Array, size: Size, whole: bool) -> jax.Array:
    rows, columns = (
        np.arange(new) * old // new for new, old in zip(size, frame.shape[1:3], strict=True)
    )
    return _shown(frame[0, rows][:, columns], whole)


def _shown(frame: jax.Array, whole: bool) -> jax.Array:
    return jnp.rint(255 * jnp.clip(frame, 0, 1)).astype(jnp.uint8) if whole else frame
