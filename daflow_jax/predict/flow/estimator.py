"""Flow of a short run of frames on one device: padding, windows, and less memory when needed."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.ops import resize, scales
from daflow_jax.predict import memory, padding, tiles
from daflow_jax.predict.flow.runner import Options, Runner

TILES = ((512, 768), (256, 384))  # [choice] tried in this order when one pair does not fit
_PIXELS = {"cpu": 2**21}  # [choice] padded pixels in one automatic batch
_PIXELS_ACCELERATOR = 2**24


class Layout(NamedTuple):
    """How frames are cut up before the network sees them.

    batch: pairs at once, None = by size and device. bucket: padded sizes are multiples of this, so
    that few programs are compiled. tile: "auto" (only when memory is short), "off" or (height,
    width). max_size: longer frames are estimated at this longest side, in pixels. scales: smaller
    sizes that are estimated first, None = what the weights came with; `api.Model` reads it and
    makes a `CoarseToFine`.
    """

    batch: int | None = None
    bucket: int = 64
    tile: str | tuple[int, int] = "auto"
    max_size: int | None = None
    scales: tuple[float, ...] | None = None


class Estimator:
    """Estimates the flow of frames that lie in memory; remembers what the device could not hold."""

    def __init__(self, runner: Runner, options: Options, layout: Layout):
        self.runner, self.options, self.layout = runner, options, layout
        self.window = runner.config.frames
        self._tile = layout.tile if isinstance(layout.tile, tuple) else None
        self._most: int | None = None

    def estimated(self, size: tuple[int, int]) -> tuple[int, int]:
        """Returns the (height, width) at which frames of `size` are estimated, before padding."""
        longest = self.layout.max_size
        height, width = size
        if longest is not None and max(size) > longest:
            height, width = (max(round(length * longest / max(size)), 2) for length in size)
        return height, width

    def batch(self, size: tuple[int, int]) -> int:
        """Returns how many pairs of frames of (height, width) to estimate at once."""
        most = self.layout.batch
        if most is None:
            height, width = self._padded(size)
            budget = _PIXELS.get(self.runner.place.device.platform, _PIXELS_ACCELERATOR)
            most = min(max(budget // (height * width), 1), 8)
        if self._most is not None:
            most = min(most, self._most)
        return max(most // self._group, 1) * self._group

    def __call__(
        self, frames: np.ndarray, init_flow: np.ndarray | None = None, fill: int = 0
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns flows (m, n, h, w, 2) of n+1 frames and the flow on the 1/8 grid (n, ., ., 2).

        Networks that predict their uncertainty add it to the flows as a third channel.

        Args:
            frames: float32 (n+1, h, w, 3) in [0, 1].
            init_flow: (n, h/8, w/8, 2) on the 1/8 grid of the padded size, or None.
            fill: run at least so many pairs, by repeating the last frame, to reuse a program.
        """
        size, pairs = frames.shape[1:3], len(frames) - 1
        small = self.estimated(size)
        if small != size:
            frames = np.asarray(_resize(frames, small))
        around = padding.fit(small, self._multiple())
        extra = max(fill, self._whole(pairs)) - pairs
        frames = np.concatenate([padding.pad(frames, around), *[_last(frames, around)] * extra])
        if init_flow is not None:
            init_flow = np.concatenate([init_flow, *[init_flow[-1:]] * extra])
        flows, low = self._run(frames, init_flow)
        flows = padding.crop(flows[:, :pairs], around)
        if small != size:
            flows = _enlarged(flows, size, small)
        return np.ascontiguousarray(flows), None if low is None else low[:pairs]

    def low(self, flow: np.ndarray) -> np.ndarray:
        """Returns flow (n, h, w, 2) in pixels as mean on the 1/8 grid of the padded frames."""
        size = flow.shape[1:3]
        small = self.estimated(size)
        if small != size:
            scale = np.array([small[1] / size[1], small[0] / size[0]], np.float32)
            flow = np.asarray(_resize(flow, small)) * scale
        flow = padding.pad(flow, padding.fit(small, self._multiple()))
        return np.asarray(scales.start_of(jnp.asarray(flow, jnp.float32)))

    def high(self, low: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Returns flow (n, h, w, 2) in pixels of frames of `size` from what `low` gives."""
        small = self.estimated(size)
        around = padding.fit(small, self._multiple())
        fine = 8 * low.shape[1], 8 * low.shape[2]
        flow = padding.crop(np.asarray(scales.flow_at(jnp.asarray(low), fine)), around)
        return np.asarray(scales.flow_at(jnp.asarray(flow), size))

    def _multiple(self):
        return math.lcm(self.layout.bucket, self.runner.place.multiple(self.runner.config.multiple))

    @property
    def _group(self):
        """The number of pairs in as many windows as run side by side."""
        return (self.window - 1) * self.runner.place.clips_at_once

    def _whole(self, pairs):
        """Returns the number of pairs in whole groups."""
        return -(-pairs // self._group) * self._group

    def _padded(self, size):
        place, multiple = self.runner.place, self.runner.config.multiple
        return place.padded(self.estimated(size), multiple, self.layout.bucket)

    def _run(self, frames, init_flow):
        """Runs padded frames; on exhausted memory fewer at once, then in tiles."""
        if self._most is not None and len(frames) - 1 > self._most:
            return self._halves(frames, init_flow, self._most)
        try:
            if self._tile and (frames.shape[1] > self._tile[0] or frames.shape[2] > self._tile[1]):
                return tiles.blended(frames, init_flow, self._tile, self._flows), None
            return self._network(frames, init_flow)
        except (memory.OutOfMemory, MemoryError, jax.errors.JaxRuntimeError) as error:
            if not memory.is_exhausted(error):
                raise
            self._shrink(frames, str(error) or "the host has no more")
        return self._run(frames, init_flow)

    def _halves(self, frames, init_flow, step: int):
        parts = []
        for first in range(0, len(frames) - 1, step):
            start = None if init_flow is None else init_flow[first : first + step]
            parts.append(self._run(frames[first : first + step + 1], start))
        low = None if parts[0][1] is None else np.concatenate([part[1] for part in parts])
        return np.concatenate([part[0] for part in parts], axis=1), low

    def _shrink(self, frames, why):
        pairs, first = len(frames) - 1, why.splitlines()[0]
        if pairs > self._group:
            half = self._whole(pairs // 2)
            self._most = half if half < pairs else self._group
            self.runner.tell(f"out of memory ({first}); retrying with batch {self._most}")
            return
        left = [tile for tile in TILES if self._tile is None or tile[0] < self._tile[0]]
        left = [tile for tile in left if tile[0] < frames.shape[1] or tile[1] < frames.shape[2]]
        if self.layout.tile == "off" or not left:
            raise errors.UserError(
                "memory", first, "Use --max-size, --tile auto, a smaller model or more memory", 3
            )
        self._tile = left[0]
        height, width = self._tile
        self.runner.tell(f"out of memory ({first}); retrying with tiles of {height}x{width}")

    def _flows(self, frames, init_flow):
        return self._network(frames, init_flow)[0]

    def _network(self, frames, init_flow=None):
        """Returns flows (m, n, h, w, 2) and low (n, h/8, w/8, 2) of whole windows of frames."""
        step = self.window - 1
        if step == 1 and self._group == 1:
            clips = frames[None]  # one long clip: the features of a frame are computed once
        else:
            starts = range(0, len(frames) - 1, step)
            clips = np.stack([frames[i : i + step + 1] for i in starts])
        start = None
        if init_flow is not None:
            start = init_flow.reshape(len(clips), -1, *init_flow.shape[1:])
        flows, low = self.runner(clips, self.options, start)
        return flows.reshape(flows.shape[0], -1, *flows.shape[3:]), low.reshape(-1, *low.shape[2:])


def _enlarged(flows, size, small):
    """Returns flows of frames of size `small` at `size`, and an uncertainty for its pixels."""
    scale = np.array([size[1] / small[1], size[0] / small[0]], np.float32)
    flows = np.array(_resize(flows, size))
    flows[..., :2] *= scale
    flows[..., 2:] += np.log(scale).mean()  # the mean log scale grows with the pixels' number
    return flows


def _last(frames, around):
    return padding.pad(frames[-1:], around)


def _resize(images, size):
    return resize.resize_align_corners(jnp.asarray(images), tuple(size))
