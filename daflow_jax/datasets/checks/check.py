"""Finds what is broken in clips: files, sizes, flow that does not fit its frames."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from daflow_jax import viz
from daflow_jax.datasets import Clip, Truth
from daflow_jax.datasets.checks import explain
from daflow_jax.errors import UserError
from daflow_jax.io import flo, image

MAX_SPEED = 4.0  # [choice] times the longer side; the fastest true pair seen has 0.5
LEAST_KNOWN = 0.001  # share of pixels below which a flow says nothing


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or was measured, in a clip.

    Attributes:
        level: "error" = unusable; "suspect" = probably wrong; "note"; "" = a pair in order.
        place: what it is about: a clip, or a pair "CLIP k -> k+1".
        ratio: see `explain.Fit`, where a flow was judged.
    """

    clip: str
    level: str
    place: str
    text: str
    ratio: float | None = None
    pair: tuple[int, int] | None = None


def check_clip(clip: Clip) -> Iterator[Finding]:
    """Yields what was found in a clip, all of whose frames and flows are read.

    An error ends the clip: what follows a broken frame cannot be judged.
    """
    last, index = None, -1
    try:
        clip.check()
        for index, frame in enumerate(clip.pictures()):
            clean = _clean(clip, index, frame)
            if last is not None:
                yield from _pair(clip, index - 1, last, clean)
            last = clean
        _enough(clip, index + 1)
    except UserError as error:
        yield Finding(clip.name, "error", clip.name, str(error))


def _enough(clip: Clip, count: int) -> None:
    if count < 2:
        raise UserError(clip.name, f"{count} frame; a clip needs 2", "Leave it out")


def _clean(clip: Clip, index: int, frame: np.ndarray) -> np.ndarray:
    """Returns the clean original of a frame, by which flow is judged, or the frame itself."""
    path = clip.clean[index] if clip.clean else None
    if path is None:
        return frame
    clean = image.read_image(path)
    if clean.shape != frame.shape:
        rule = f"has not the size of {clip.frames[index].name}"
        raise UserError(path, rule, "Clean frames have the size of theirs")
    return clean


def _pair(clip: Clip, index: int, first: np.ndarray, second: np.ndarray) -> Iterator[Finding]:
    for truths, step in ((clip.truth, 1), (clip.back, -1)):
        truth = truths[index] if index < len(truths) else None
        if truth is None:
            continue
        numbers = (index, index + 1)[::step]
        frames = (first, second)[::step]
        yield from _judge(clip, truth, (numbers[0], numbers[1]), (frames[0], frames[1]))


def _judge(
    clip: Clip, truth: Truth, pair: tuple[int, int], frames: tuple[np.ndarray, np.ndarray]
) -> Iterator[Finding]:
    """Yields what is wrong with one flow; exactly one finding without a level if nothing is."""
    place = f"{clip.name} {pair[0]} -> {pair[1]}"
    motion = truth.read()
    if motion.flow.shape[:2] != frames[0].shape[:2]:
        sizes = [f"{x.shape[1]}x{x.shape[0]}" for x in (motion.flow, frames[0])]
        rule = f"flow is {sizes[0]}, its frames are {sizes[1]}"
        raise UserError(truth.flow, rule, "Flow has the size of its frames")
    known = float(motion.valid.mean())
    if known < LEAST_KNOWN:
        rule = f"flow is known in {known:.2%} of the pixels"
        raise UserError(truth.flow, rule, "Leave the pair out")
    fastest = float(np.abs(motion.flow).max())
    if fastest > MAX_SPEED * max(motion.flow.shape):
        rule = f"flow of up to {fastest:.3g} px in frames of {max(motion.flow.shape)} px"
        raise UserError(truth.flow, rule, "Flow is in pixels; mark unknown flow as invalid")
    nans = _count_nan(truth.flow)
    if nans:
        text = f"{truth.flow.name} holds NaN in {nans} pixels, read as unknown"
        yield Finding(clip.name, "note", place, text, pair=pair)
    fit = explain.explain(*frames, motion.flow, motion.valid, motion.occluded)
    level = "suspect" if fit.problem else ""
    text = f"{truth.flow.name} {fit.problem}" if fit.problem else ""
    yield Finding(clip.name, level, place, text, fit.ratio, pair)


def _count_nan(path: Path) -> int:
    """Returns the number of pixels with NaN in a .flo file, where no format allows it."""
    if path.suffix.lower() != ".flo":
        return 0
    data = image.read_bytes(path)
    if data[:4] != flo.TAG:
        return 0
    values = np.frombuffer(data, "<f4", offset=12).reshape(-1, 2)
    return int(np.isnan(values).any(-1).sum())


def write_picture(path: Path, clip: Clip, pair: tuple[int, int]) -> None:
    """Writes frame 1, frame 2 and the flow above warped frame 2 and both differences."""
    forward = pair[0] < pair[1]
    start = min(pair)
    truth = (clip.truth if forward else clip.back)[start]
    frames = list(clip.read(start, 2)["hq"])[:: 1 if forward else -1]
    if truth is None:
        raise ValueError(f"{clip.name}: pair {pair} has no flow; give a pair of a finding")
    motion = truth.read()
    first, second = ((x >> 8).astype(np.uint8) if x.dtype == np.uint16 else x for x in frames)
    warped = explain.warp(second, motion.flow)
    still, moved = (_difference(first, other) for other in (second, warped))
    moved[~motion.valid] = (60, 70, 90)
    wheel = viz.flow_to_rgb(motion.flow, valid=motion.valid)
    image.write_image(path, viz.sheet([[first, second, wheel], [warped, still, moved]]))


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(first.astype(np.int16) - second).astype(np.uint8)
