"""Flow from small frames first: fast motion and degraded frames are easier to match there.

The refinement of every size starts from the flow of the one before, as in pyramids (Bergen et al.,
ECCV 1992), with one network at all sizes. Frames of every size are padded by their border pixels to
what the network takes. No gradient crosses sizes.

A `run` is any flow network: (frames (b, f, h, w, 3), start or None) -> a named tuple with `flows`
(m, b, f-1, h, w, 2), `low`, and `info` (m, b, f-1, h, w, c) or None; see
`daflow_jax.models.outputs.FlowOutput`. A start lies on the grid of `low` of padded frames.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float

from daflow_jax.ops import pad, scales

SMALLEST = 100  # [choice] pixels: sizes whose shorter side would be less are left out

Run = Callable[[Any, Any], Any]
Size = tuple[int, int]


class Grid(NamedTuple):
    """Which frames a flow network takes: height and width are multiples of `multiple` and at least
    `minimum` pixels; a step of the grid of `low` is `stride` pixels wide."""

    multiple: int
    minimum: int
    stride: int

    def padding(self, size: Size) -> pad.Padding:
        """Returns the borders around frames of (height, width)."""
        return pad.fit(size, self.multiple, self.minimum)

    def padded(self, size: Size) -> Size:
        """Returns the size of frames of (height, width) with their borders."""
        return pad.padded(size, self.multiple, self.minimum)

    def low(self, size: Size) -> Size:
        """Returns the size of `low` for frames of (height, width)."""
        height, width = self.padded(size)
        return height // self.stride, width // self.stride


def sizes(whole: Size, factors: Sequence[float], smallest: int | None = None) -> tuple[Size, ...]:
    """Returns the (height, width) to estimate one after the other, `whole` last.

    Smaller sizes whose shorter side is under `smallest` pixels (None: `SMALLEST`) are left out.
    """
    least = SMALLEST if smallest is None else smallest
    small = [(round(factor * whole[0]), round(factor * whole[1])) for factor in factors]
    return (*(size for size in small if min(size) >= least), whole)


def estimate(
    run: Run,
    frames: Float[Array, "b f h w 3"],
    steps: Sequence[Size],
    grid: Grid,
    start: Float[Array, "b q hl wl 2"] | None = None,
) -> list[Any]:
    """Returns what the network gives at every size of `steps`, the frames' own size last.

    `start` is that of the frames' own size; it begins the smallest one.
    """
    outs, start = coarse(run, frames, steps, grid, start)
    return [*outs, at(run, frames, grid, start)]


def coarse(
    run: Run,
    frames: Float[Array, "b f h w 3"],
    steps: Sequence[Size],
    grid: Grid,
    start: Float[Array, "b q hl wl 2"] | None = None,
) -> tuple[list[Any], Float[Array, "b q hl wl 2"] | None]:
    """Returns what the network gives at all sizes but the last, and the start of the last one."""
    outs: list[Any] = []
    if len(steps) == 1:
        return outs, start
    flow = None if start is None else pixels(start, steps[-1], grid)
    for size in steps[:-1]:
        begun = None if flow is None else low(scales.flow_at(flow, size), grid)
        outs.append(at(run, scales.images_at(frames, size), grid, begun))
        flow = jax.lax.stop_gradient(outs[-1].flows[-1])
    assert flow is not None
    return outs, low(scales.flow_at(flow, steps[-1]), grid)


def at(
    run: Run,
    frames: Float[Array, "b f h w 3"],
    grid: Grid,
    start: Float[Array, "b q hl wl 2"] | None = None,
) -> Any:
    """Returns what the network gives for frames of any size; its maps have the frames' size."""
    around = grid.padding((frames.shape[2], frames.shape[3]))
    out = run(pad.pad(frames, around), start)
    info = None if out.info is None else pad.crop(out.info, around)
    return out._replace(flows=pad.crop(out.flows, around), info=info)


def low(flow: Float[Array, "*b h w 2"], grid: Grid) -> Float[Array, "*b hl wl 2"]:
    """Returns the start that a flow in pixels of frames of its size is."""
    return scales.start_of(
        pad.pad(flow, grid.padding((flow.shape[-3], flow.shape[-2]))), grid.stride
    )


def pixels(start: Float[Array, "*b hl wl 2"], size: Size, grid: Grid) -> Float[Array, "*b h w 2"]:
    """Returns the flow in pixels of frames of (height, width) that a start of theirs is."""
    return pad.crop(scales.flow_at(start, grid.padded(size)), grid.padding(size))
