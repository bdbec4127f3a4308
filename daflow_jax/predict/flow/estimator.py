"""Flow of a short run of frames in memory: windows, batches, and less memory when needed."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.ops import coarse_to_fine, pad, resize
from daflow_jax.predict import memory, tiles
from daflow_jax.predict.flow import network
from daflow_jax.predict.flow.layout import Layout
from daflow_jax.predict.options import Options
from daflow_jax.predict.program import Programs

_PIXELS = {"cpu": 2**21}  # [choice] padded pixels in one automatic batch
_PIXELS_ACCELERATOR = 2**24


@dataclasses.dataclass
class _Limit:
    """What the device can hold of frames of one size: pairs at once, and tiles, None = whole."""

    most: int | None
    tile: tuple[int, int] | None


class Estimator:
    """Estimates the flow of frames that lie in memory; remembers what the device could not hold.

    Args:
        programs: the network, its weights and its device.
        options: of the network's call.
        layout: how frames are cut up.
        scales: of the smaller sizes that are estimated first, ascending, each in (0, 1).
        all_iterations: keep the flow after every refinement.
    """

    def __init__(
        self,
        programs: Programs,
        options: Options = Options(),  # noqa: B008
        layout: Layout = Layout(),  # noqa: B008
        scales: tuple[float, ...] = (),
        all_iterations: bool = False,
    ):
        self.programs, self.options, self.layout = programs, options, layout
        self.scales, self.all_iterations = scales, all_iterations
        config = programs.module.config
        self.window, self.grid = config.frames, programs.place.grid(config)
        layout.check(self.grid)
        self._limits: dict[tuple[int, int], _Limit] = {}  # by the size of padded frames

    @property
    def device(self) -> jax.Device:
        """Where everything runs, or the first of several."""
        return self.programs.place.device

    def batch(self, size: tuple[int, int]) -> int:
        """Returns how many pairs of frames of (height, width) to estimate at once."""
        most, size = self.layout.batch, self._seen(size)
        if most is None:
            height, width = size
            budget = _PIXELS.get(self.device.platform, _PIXELS_ACCELERATOR)
            most = min(max(budget // (height * width), 1), 8)
        limit = self._limit(size).most
        most = most if limit is None else min(most, limit)
        return max(most // self._group, 1) * self._group

    def __call__(
        self, frames: np.ndarray, start: np.ndarray | None = None, fill: int = 0
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns flows (m, n, h, w, 2) of n+1 frames and the last one on the network's low grid
        (n, hl, wl, 2), None where tiles gave none.

        Networks that predict their uncertainty add it to the flows as a third channel.

        Args:
            frames: float32 (n+1, h, w, 3) in [0, 1].
            start: what `low` gives, or None.
            fill: run at least so many pairs, by repeating the last frame, to reuse a program.
        """
        pairs, around = len(frames) - 1, self._around(frames.shape[1:3])
        extra = max(fill, self._whole(pairs)) - pairs
        frames = pad.pad(frames, around)
        if extra:
            frames = np.concatenate([frames, *[frames[-1:]] * extra])
            start = None if start is None else np.concatenate([start, *[start[-1:]] * extra])
        flows, low = self._run(frames, start)
        return pad.crop(flows[:, :pairs], around), None if low is None else low[:pairs]

    def low(self, flow: np.ndarray) -> np.ndarray:
        """Returns the start that flow (n, h, w, 2) in pixels is, on the network's low grid."""
        padded = pad.pad(np.asarray(flow, np.float32), self._around(flow.shape[1:3]))
        small = self.layout.estimated(padded.shape[1:3])
        return np.asarray(_low(jax.device_put(padded, self.device), small, self.grid))

    def _around(self, size):
        return pad.fit(size, self.layout.bucket or 1)

    @property
    def _group(self):
        """The number of pairs in as many windows as run side by side."""
        return (self.window - 1) * self.programs.place.clips_at_once

    def _whole(self, pairs):
        """Returns the number of pairs in whole groups."""
        return -(-pairs // self._group) * self._group

    def _seen(self, size):
        """Returns the size of what the network sees of frames of (height, width)."""
        bucketed = pad.padded(size, self.layout.bucket or 1)
        return self.grid.padded(self.layout.estimated(bucketed))

    def _limit(self, size) -> _Limit:
        tile = self.layout.tile if isinstance(self.layout.tile, tuple) else None
        return self._limits.setdefault(size, _Limit(None, tile))

    def _run(self, frames, start):
        """Estimates whole groups; on exhausted memory fewer at once, then in tiles."""
        size = self._seen(frames.shape[1:3])
        limit, pairs = self._limit(size), len(frames) - 1
        if limit.most is not None and pairs > limit.most:
            return self._parts(frames, start, limit.most)
        tile = limit.tile
        try:
            if tile and (size[0] > tile[0] or size[1] > tile[1]):
                return self._tiled(frames, start, size, tile), None
            return self._network(frames, start)
        except (memory.OutOfMemory, MemoryError, jax.errors.JaxRuntimeError) as error:
            if not memory.is_exhausted(error):
                raise
            self._shrink(limit, pairs, size, str(error) or "the host has no more")
        return self._run(frames, start)

    def _parts(self, frames, start, step: int):
        parts = []
        for first in range(0, len(frames) - 1, step):
            begun = None if start is None else start[first : first + step]
            parts.append(self._run(frames[first : first + step + 1], begun))
        low = None if parts[0][1] is None else np.concatenate([part[1] for part in parts])
        return np.concatenate([part[0] for part in parts], axis=1), low

    def _shrink(self, limit: _Limit, pairs, size, why):
        first = why.splitlines()[0]
        if pairs > self._group:
            half = self._whole(pairs // 2)
            limit.most = half if half < pairs else self._group
            self.programs.log(f"out of memory ({first}); retrying with batch {limit.most}")
            return
        left = self.layout.smaller_tiles(size, limit.tile, self.grid)
        if not left:
            remedy = "Use --max-size, --tile auto, a smaller model or more memory"
            raise errors.UserError("memory", first, remedy, 3)
        limit.tile = left[0]
        height, width = limit.tile
        self.programs.log(f"out of memory ({first}); retrying with tiles of {height}x{width}")

    def _network(self, frames, start):
        clips, start = self._clips(frames, start)
        flows, low = self._call(network.whole, self.plan(frames.shape[1:3]), frames, clips, start)
        return _by_pairs(np.asarray(flows)), _by_pairs(np.asarray(low)[None])[0]

    def _call(self, make, plan, frames, clips, start, note=""):
        what = f"{clips.shape[2]}x{clips.shape[3]} (batch {len(frames) - 1}{note})"
        return self.programs(make, plan, what, clips, start, dict(self.options.arrays))

    def _tiled(self, frames, start, size, tile):
        """Returns flows of the last size in tiles, each with its part of the start."""
        clips, start = self._clips(frames, start)
        plan, stride = self.plan(frames.shape[1:3]), self.grid.stride
        given = frames, clips, start
        clips, start = self._call(network.prepared, plan, *given, ", before tiles")

        def run(rows, columns):
            part, low = _cut(clips, rows, columns), None
            if start is not None:
                low = _cut(start, _low_part(rows, stride), _low_part(columns, stride))
            inner = plan._replace(steps=(part.shape[2:4],))
            return self._call(network.whole, inner, frames, part, low)[0]

        flows = tiles.blended(size, tile, self.grid.multiple, run)
        around, shape = self.grid.padding(plan.steps[-1]), frames.shape[1:3]
        flows = np.ascontiguousarray(pad.crop(flows, around))
        if flows.shape[-3:-1] != shape:
            flows = np.asarray(_enlarged(jax.device_put(flows, self.device), shape))
        return _by_pairs(flows)

    def plan(self, size: tuple[int, int]) -> network.Plan:
        """Returns what is static about frames of (height, width)."""
        steps = coarse_to_fine.sizes(self.layout.estimated(size), self.scales)
        return network.Plan(steps, self.grid, self.options.static, self.all_iterations)

    def _clips(self, frames, start):
        """Returns whole windows of frames (b, f, h, w, 3) and their starts."""
        step = self.window - 1
        if step == 1 and self._group == 1:
            clips = frames[None]  # one long clip: the features of a frame are computed once
        else:
            firsts = range(0, len(frames) - 1, step)
            clips = np.stack([frames[i : i + step + 1] for i in firsts])
        if start is not None:
            start = start.reshape(len(clips), -1, *start.shape[1:])
        return clips, start


def _by_pairs(maps: np.ndarray) -> np.ndarray:
    """Returns (m, n, ...) of maps (m, b, q, ...)."""
    return maps.reshape(maps.shape[0], -1, *maps.shape[3:])


def _low_part(span: slice, stride: int) -> slice:
    return slice(span.start // stride, -(-span.stop // stride))


def _cut(clips: jax.Array, rows: slice, columns: slice) -> Any:
    """Returns (b, f, rows, columns, c) of an array on the device, cut there."""
    size = (*clips.shape[:2], rows.stop - rows.start, columns.stop - columns.start, clips.shape[-1])
    return jax.lax.dynamic_slice(clips, (0, 0, rows.start, columns.start, 0), size)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _low(flow, small, grid):
    scale = jnp.array([small[1] / flow.shape[2], small[0] / flow.shape[1]], jnp.float32)
    return coarse_to_fine.low(resize.resize_align_corners(flow, small) * scale, grid)


_enlarged = jax.jit(network.enlarged, static_argnums=1)
