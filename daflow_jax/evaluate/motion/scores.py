"""The motion score of frames as they come."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from daflow_jax import DEFAULT_MODEL, errors
from daflow_jax.evaluate import methods
from daflow_jax.evaluate.motion import cuts, degradation, sampling, summary

PAIRS = 5  # [choice] 25 videos a minute with the default model at 320 px on two cores


def score(
    frames: Iterable[np.ndarray],
    times: Iterable[Any] | None = None,
    *,
    method: Any = DEFAULT_MODEL,
    pairs: int = PAIRS,
    max_size: int | None = 320,
) -> summary.MotionScore:
    """Returns how a video moves; its frames come one by one and are not kept.

    Args:
        frames: two or more of one size, uint8 or uint16 RGB (h, w, 3).
        times: of each frame in seconds, increasing, at least as many; None: speeds are per frame.
        method: what estimates the flow: a name, folder or model, a baseline such as "dis", or a
            function of uint8 frames (2, h, w, 3) to flow (h, w, 2) in pixels.
        pairs: of neighbouring frames whose flow is estimated, spread over the video.
        max_size: pixels; frames with a longer side are shrunk to it first. None: never.

    Raises:
        UserError: fewer than two frames, or times that do not go with them.
    """
    if pairs < 1:
        raise errors.UserError(f"pairs {pairs}", "must be 1 or more", "Raise it")
    (estimate,) = methods.resolve([method])
    finder, sampler = cuts.CutFinder(), sampling.Sampler(pairs, max_size)
    shape: tuple[int, ...] = (0, 0, 0)
    stamps: list[float | None] = []
    for frame, time in _timed(frames, times):
        shape = frame.shape
        stamps.append(time)
        finder.add(frame)
        sampler.add(frame, time)
    if len(stamps) < 2:
        rule = f"{len(stamps)} frame; motion needs two"
        raise errors.UserError("frames", rule, "Name a video or a folder of frames")
    sampled = sampler.pairs(finder.finish())
    motions = [summary.Motion(estimate(*pair.frames), pair.seconds) for pair in sampled]
    height, width, _ = shape
    measured: dict[str, Any] = {
        **summary.speeds(motions, (height, width)),
        **degradation.measure([pair.grey for pair in sampled if pair.grey is not None]),
    }
    return summary.MotionScore(
        **_facts(stamps, (height, width)),
        pairs=len(sampled),
        estimated=sampling.estimated((height, width), max_size),
        cuts=tuple(summary.Cut(k, _since(stamps, k)) for k in finder.cuts),
        **measured,
    )


def _timed(
    frames: Iterable[np.ndarray], times: Iterable[Any] | None
) -> Iterator[tuple[np.ndarray, float | None]]:
    """Yields uint8 frames of one size with their times, which increase."""
    clock: Iterator[Any] = itertools.repeat(None) if times is None else iter(times)
    shape, last = None, None
    for number, frame in enumerate(frames):
        try:
            time = next(clock)
        except StopIteration:
            rule = f"there are {number}, and more frames"
            raise errors.UserError("times", rule, "Give one for every frame") from None
        shape = shape or frame.shape
        if frame.shape != shape or frame.ndim != 3 or frame.shape[2] != 3:
            rule = f"frame {number} has the shape {frame.shape}, the first one {shape}"
            raise errors.UserError("frames", rule, "Give RGB frames (h, w, 3) of one size")
        time = None if time is None else float(time)
        if time is not None and last is not None and not time > last:
            rule = f"that of frame {number} is {time:g} s, after {last:g} s"
            raise errors.UserError("times", rule, "Give increasing ones")
        yield _bytes(frame, number), time
        last = time


def _bytes(frame: np.ndarray, number: int) -> np.ndarray:
    if frame.dtype == np.uint16:
        return (frame >> 8).astype(np.uint8)
    if frame.dtype != np.uint8:
        rule = f"frame {number} is {frame.dtype}"
        raise errors.UserError("frames", rule, "Give uint8 or uint16 RGB")
    return np.ascontiguousarray(frame)


def _facts(stamps: list[float | None], size: tuple[int, int]) -> dict[str, Any]:
    count, span = len(stamps), _since(stamps, len(stamps) - 1)
    return {
        "frames": count,
        "height": size[0],
        "width": size[1],
        "seconds": span and span * count / (count - 1),
        "fps": span and (count - 1) / span,
        "per": "second" if span else "frame",
    }


def _since(stamps: list[float | None], number: int) -> float | None:
    """Returns the time of a frame from the first one on."""
    time, first = stamps[number], stamps[0]
    return None if time is None or first is None else time - first
