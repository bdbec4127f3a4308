"""A sequence with new frames between its own into files: read ahead, made, written behind."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.datasets.sequence import Sequence
from daflow_jax.errors import UserError
from daflow_jax.io import video
from daflow_jax.outputs.frame_files import FrameFiles

# (seconds of a frame, of the next or None) -> shares of their interval at which frames are wanted
Schedule = Callable[[Fraction, Fraction | None], tuple[Fraction, ...]]
# frames wanted -> (place, frame uint8 (h, w, 3)) in their order
Interpolate = Callable[[Iterable["Wanted"]], Iterable[tuple[Any, np.ndarray]]]


class Wanted(NamedTuple):
    """A frame at a share of the interval from `first` to `second`, 0 = `first` itself; `second` is
    None after the last frame. `place` is where it goes."""

    first: np.ndarray
    second: np.ndarray | None
    share: Fraction
    place: Any


class Between(NamedTuple):
    """schedule: which frames are wanted. slow: seconds of the result per second of the input.
    deinterlace: fill the rows of fields. last_repeats: the last frame is followed by itself, as in
    CogVideo's demo.
    """

    schedule: Schedule
    slow: int = 1
    deinterlace: bool = False
    last_repeats: bool = False


class Made(NamedTuple):
    """frames: how many there are now. given: how many were read. pictures: their files unless it is
    a video, those that were kept too. damage: places where frames are missing. error: what ended
    the sequence early.
    """

    frames: int
    given: int
    pictures: tuple[Path, ...]
    damage: tuple[video.Damage, ...]
    error: UserError | None


def write_between(
    sequence: Sequence,
    interpolate: Interpolate,
    files: FrameFiles,
    options: Between,
    progress: Callable[[], None] = lambda: None,
) -> Made:
    """Returns what was made of a sequence, after `files` has all of it and is closed.

    Frames are decoded and results written in threads beside the network. No frame is made across a
    place where frames are missing, and none whose picture exists and is kept. An error after the
    first frames keeps those: it is returned; one before them is raised, and so is a lack of the
    machine (code 3).
    """
    damage: list[video.Damage] = []
    run = _Run(sequence, files, options, progress)
    frames: Any = video.prefetched(sequence.timed(options.deinterlace, damage.append))
    error = None
    with contextlib.closing(frames), files:
        try:
            run.write(interpolate(run.wanted(_two_or_more(frames, sequence, damage))))
        except UserError as caught:
            if caught.code == 3 or not run.frames:
                raise
            error = caught
    return Made(run.frames, run.given, tuple(run.pictures), tuple(damage), error)


def _two_or_more(frames: Iterator[video.Frame], sequence: Sequence, damage: list[video.Damage]):
    begin = list(itertools.islice(frames, 2))
    if len(begin) < 2:
        where = sequence.paths[0] if sequence.paths else sequence.name
        rule = "one frame only; interpolation needs two"
        raise damage[0].error() if damage else UserError(where, rule, "Add a second frame")
    return itertools.chain(begin, frames)


class _Run:
    """Asks for the frames of one sequence, and writes them."""

    def __init__(self, sequence, files, options, progress):
        self._files, self._options, self._progress = files, options, progress
        self._names, self._begin = sequence.names, Fraction(0)
        self.frames, self.given = 0, 0
        self.pictures: list[Path] = []

    def wanted(self, frames: Iterable[video.Frame]) -> Iterator[Wanted]:
        for stretch in video.runs(frames):
            last = next(stretch)
            if not self.given:
                self._begin = last.stamp.time
            for frame in stretch:
                yield from self._of(last, frame)
                last = frame
            yield from self._of(last, None)

    def _of(self, first: video.Frame, second: video.Frame | None) -> Iterator[Wanted]:
        """Yields what is wanted from a frame on, before the next one."""
        self.given += 1
        begin = first.stamp.time
        end = second.stamp.time if second else None
        pixels = second.pixels if second else None
        if second is None and self._options.last_repeats:
            end, pixels = begin + first.stamp.duration, first.pixels
        length = first.stamp.duration if end is None else end - begin
        for share in self._options.schedule(begin, end):
            picture = self._files.picture(self._stem(first.stamp.number, share))
            if self._files.keeps(picture):
                self._done(picture)
                continue
            time = self._begin + self._options.slow * (begin + share * length - self._begin)
            rest = self._options.slow * (1 - share) * length
            stamp = video.Stamp(first.stamp.number, time, rest, 0)
            yield Wanted(first.pixels, pixels, share, (stamp, picture))

    def _stem(self, number: int, share: Fraction) -> str:
        """Returns the name of a picture: that of the frame before, and the share after it."""
        name = self._names[number] if self._names is not None else f"{number:06d}"
        return f"{name}_{float(share):.4f}" if share else name

    def write(self, found: Iterable[tuple[Any, np.ndarray]]) -> None:
        for (stamp, picture), frame in found:
            self._files.write(frame, stamp, picture)
            self._done(picture)

    def _done(self, picture: Path) -> None:
        self.frames += 1
        if not self._files.is_video:
            self.pictures.append(picture)
        self._progress()
