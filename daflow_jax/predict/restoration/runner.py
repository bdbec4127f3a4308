"""Windows of frames to restored windows: whole or in tiles, one launched while another is read."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.predict import memory
from daflow_jax.predict.options import Options
from daflow_jax.predict.program import Programs
from daflow_jax.predict.restoration import network, tiles
from daflow_jax.predict.restoration.windows import Window


class Form(NamedTuple):
    """How results are made.

    color_fix: a name in `network.COLOR_FIXES`. options: of the network's call. levels: uint8, not
    float32. tile: "auto" (when memory is short), "off", or (height, width) that the network sees.
    """

    color_fix: str
    options: Options
    levels: bool
    tile: str | tiles.Size


class _Launched(NamedTuple):
    """A tile of a window on its way: result is an array of the device, (1, f, s h, s w, 3)."""

    window: Window
    tile: tiles.Tile
    last: bool
    result: jax.Array


class Runner:
    """Restores the windows of one clip.

    Args:
        programs: the network. recurrent: whether its state goes from window to window.

    Attributes:
        seconds: in which the caller waited for the network, without compiling.
    """

    def __init__(self, programs: Programs, recurrent: bool, form: Form):
        self._programs, self._recurrent, self._form = programs, recurrent, form
        self._config = programs.module.config
        self._tile = form.tile if isinstance(form.tile, tuple) else None
        self._states: dict[tiles.Tile, Any] = {}
        self.seconds = 0.0
        self._count = 0  # results of a window of a recurrent network

    def __call__(self, windows: Iterable[Window]) -> Iterator[np.ndarray]:
        """Yields restored frames (s h, s w, 3) in the order of the clip."""
        scale, canvas = self._config.scale, None
        for one in _one_behind(self._launched(windows)):
            with self._clock():
                frames = np.asarray(one.result)[0][one.window.used]
            height, width = (scale * side for side in one.window.frames.shape[1:3])
            if frames.shape[1:3] == (height, width):  # a single tile
                yield from frames
                continue
            if canvas is None:
                canvas = tiles.Canvas(len(frames), (height, width), frames.dtype)
            canvas.add(one.tile, frames, scale)
            if one.last:
                yield from canvas.pixels
                canvas = None

    def _launched(self, windows: Iterable[Window]) -> Iterator[_Launched]:
        for window in windows:
            size = window.frames.shape[1:3]
            tile, first = self._first(window, size)
            yield first
            cut = tiles.cut(size, self._tile, self._reach)
            for tile in cut[1:]:
                yield _Launched(window, tile, tile is cut[-1], self._run(window, tile))

    def _first(self, window: Window, size: tiles.Size) -> tuple[tiles.Tile, _Launched]:
        """Returns the first tile of a window, launched; smaller tiles are tried where it does not
        fit."""
        while True:
            cut = tiles.cut(size, self._tile, self._reach)
            try:
                return cut[0], _Launched(window, cut[0], len(cut) == 1, self._run(window, cut[0]))
            except memory.OutOfMemory as error:
                found = None
                if self._form.tile == "auto" and self._cuts:
                    found = tiles.smaller(size, self._tile, self._reach)
                if found is None:
                    raise self._too_large(error, size) from None
                self._programs.log(f"memory is short; in tiles of {found[0]}x{found[1]}")
                self._tile = found
                self._states.clear()

    @contextlib.contextmanager
    def _clock(self) -> Iterator[None]:
        begun, compiling = time.perf_counter(), self._programs.compile_seconds
        yield
        compiling = self._programs.compile_seconds - compiling
        self.seconds += time.perf_counter() - begun - compiling

    def _run(self, window: Window, tile: tiles.Tile) -> jax.Array:
        with self._clock():
            return self._launch(window, tile)

    def _launch(self, window: Window, tile: tiles.Tile) -> jax.Array:
        part = np.ascontiguousarray(window.frames[:, *tile.seen])
        count, *size = part.shape[:3]
        what = f"{size[0]}x{size[1]} ({count} frame{'s' * (count > 1)})"
        form = self._form
        if not self._recurrent:
            plan = network.Plan(form.color_fix, form.options.static, form.levels)
            given = part[None], dict(form.options.arrays)
            return self._programs(network.window_function, plan, what, *given)
        if not self._states:  # the last window of a clip has as many results, and uses fewer
            self._count = window.used.stop
        if tile not in self._states:
            self._states[tile] = network.state_before(self._programs.module, (size[0], size[1]))
        plan = network.Plan(form.color_fix, (), form.levels, self._count)
        given = part[None], self._states[tile], jnp.int32(window.exist)
        result, self._states[tile] = self._programs(network.part_function, plan, what, *given)
        return result

    @property
    def _reach(self) -> int:
        return getattr(self._config, "reach", 0)

    @property
    def _cuts(self) -> bool:
        """Whether tiles may be chosen without being asked for."""
        return hasattr(self._config, "reach") and self._form.color_fix == "none"

    def _too_large(self, error: memory.OutOfMemory, size: tiles.Size) -> errors.UserError:
        scale = self._config.scale
        if not self._cuts or self._form.tile == "auto":
            remedy = "Use a smaller --window, smaller frames or more memory"
            return errors.UserError("memory", str(error), remedy, 3)
        made = f"{size[1]}x{size[0]} become {scale * size[1]}x{scale * size[0]}"
        rule = f"{made}, and {error}"
        return errors.UserError("frames", rule, "Use smaller tiles: --tile auto, or 256x256")


def _one_behind(launched: Iterable[_Launched]) -> Iterator[_Launched]:
    """Yields what was launched after the next one is, so that the device always has work."""
    waiting = None
    for one in launched:
        if waiting is not None:
            yield waiting
        waiting = one
    if waiting is not None:
        yield waiting
