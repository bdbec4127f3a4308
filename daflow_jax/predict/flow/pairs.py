"""Flow of arrays of frames: of a few that lie in memory, and of whole clips piece by piece."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.predict.flow import consistency
from daflow_jax.predict.flow.estimator import Estimator
from daflow_jax.predict.flow.result import Result
from daflow_jax.predict.frames import take


def estimate(
    estimator: Estimator,
    frames: np.ndarray,
    start: np.ndarray | None = None,
    fill: int = 0,
    bidirectional: bool = False,
) -> tuple[Result, np.ndarray | None]:
    """Returns the Result of n+1 frames, float32 (n+1, h, w, 3) in [0, 1], and what
    `consistency.carry` makes the next start of.

    `start` and `fill` are those of `Estimator`; backward flow starts from zero.
    """
    flows, low = estimator(frames, start, fill)
    result = Result(flows[-1, ..., :2])
    if bidirectional:
        reverse, _ = estimator(np.ascontiguousarray(frames[::-1]), None, fill)
        result = consistency.compare(result.flow, reverse[-1, ::-1, ..., :2], estimator.device)
    if estimator.all_iterations:
        result = result._replace(iterations=flows[..., :2])
    if flows.shape[-1] > 2:
        result = result._replace(uncertainty=flows[-1, ..., 2])
    return result, low


def estimate_clip(
    estimator: Estimator,
    frames: np.ndarray | Sequence[np.ndarray],
    bidirectional: bool = False,
    init_flow: np.ndarray | None = None,
) -> Result:
    """Returns the Result of a clip of t frames: flow (t-1, h, w, 2) and so on.

    Frames are made float a batch at a time, and results are written where they stay.

    Args:
        frames: a clip as `frames.as_clip` gives it.
        init_flow: (t-1, h, w, 2) in pixels, where the refinement of each pair starts, or None.
    """
    pairs, size = len(frames) - 1, tuple(frames[0].shape[:2]) if len(frames) else (0, 0)
    if pairs < 1:
        raise errors.UserError("frames", "one frame only; flow needs two", "Add a second frame")
    if init_flow is not None and init_flow.shape != (expected := (pairs, *size, 2)):
        rule = f"shape {init_flow.shape} instead of {expected}"
        raise errors.UserError("init_flow", rule, "One flow per pair")
    out, first = None, 0
    while first < pairs:
        step = estimator.batch(size)
        part = slice(first, min(first + step, pairs))
        start = None if init_flow is None else estimator.low(init_flow[part])
        images = take(frames, slice(part.start, part.stop + 1))
        found, _ = estimate(estimator, images, start, step if first else 0, bidirectional)
        out = _empty(found, pairs) if out is None else out
        _write(out, part, found)
        first = part.stop
    assert out is not None
    return out


def _empty(like: Result, pairs: int) -> Result:
    """Returns a Result with room for all pairs of a clip."""

    def room(name, x) -> Any:
        if x is None:
            return None
        shape = (len(x), pairs, *x.shape[2:]) if name == "iterations" else (pairs, *x.shape[1:])
        return np.empty(shape, x.dtype)

    return Result(**{name: room(name, x) for name, x in like._asdict().items()})


def _write(out: Result, part: slice, found: Result) -> None:
    for name, x in found._asdict().items():
        if x is not None:
            place = (slice(None), part) if name == "iterations" else part
            getattr(out, name)[place] = x
