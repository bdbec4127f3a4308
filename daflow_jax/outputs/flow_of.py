"""Flow of one sequence of frames into files: read ahead, estimated, written behind."""

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.datasets.sequence import Sequence
from daflow_jax.errors import UserError
from daflow_jax.io import video
from daflow_jax.io.video.background import Worker
from daflow_jax.outputs.flow_files import FlowFiles

_AHEAD = 4  # [choice] frames read ahead, and results written behind
Estimate = Callable[[Iterable[np.ndarray], str], Iterator[Any]]  # (frames, name) -> Results


class FlowOptions(NamedTuple):
    """stride: every K-th frame. backward: also write backward flow. pad_last: repeat the last flow,
    n of n frames. deinterlace: fill the rows of fields. across_gaps: also flow between frames that
    were no neighbours, since those between are missing.
    """

    stride: int = 1
    backward: bool = False
    pad_last: bool = False
    deinterlace: bool = False
    across_gaps: bool = False


class Made(NamedTuple):
    """pairs: how many. size: (height, width). damage: places where frames are missing. error: what
    ended the sequence early, after `pairs` pairs."""

    pairs: int
    size: tuple[int, int]
    damage: tuple[video.Damage, ...]
    error: UserError | None


def write_flow(
    sequence: Sequence,
    estimate: Estimate,
    files: FlowFiles,
    options: FlowOptions = FlowOptions(),  # noqa: B008
    progress: Callable[[], None] = lambda: None,
) -> Made:
    """Returns what was made of a sequence, after `files` holds all of it.

    Frames are decoded and results written in threads beside the network. No flow crosses a place
    where frames are missing, unless asked. An error after the first pairs keeps those: it is
    returned; one before them is raised, and so is a lack of the machine (code 3).
    """
    damage: list[video.Damage] = []
    run = _Run(sequence, files, options, progress)
    with contextlib.closing(files):
        error = None
        try:
            with contextlib.closing(_read(sequence, options, damage.append)) as frames:
                run.estimate(frames, estimate)
        except UserError as caught:
            if _ends(caught, run.pairs):
                raise
            error = caught
        files.finish(run.again() if "overlay" in files.formats and run.pairs else ())
    if not run.pairs:
        raise damage[0].error() if damage else _too_few(sequence)
    return Made(run.pairs, run.size, tuple(damage), error)


def _ends(error: UserError, made: int) -> bool:
    """Returns whether an error leaves nothing to keep: before the first result, or a lack of the
    machine."""
    return error.code == 3 or not made


class _Run:
    """Counts and names the pairs of one sequence."""

    def __init__(self, sequence, files, options, progress):
        self._sequence, self._files, self._options = sequence, files, options
        self._progress, self._names = progress, sequence.names
        self._shown: list[int] = []  # numbers of the first frames of pairs, for the overlay
        self.pairs, self.size = 0, (0, 0)

    def estimate(self, frames: Iterator[video.Frame], estimate: Estimate) -> None:
        worker = Worker(lambda work: work(), _AHEAD)
        try:
            for stretch in [frames] if self._options.across_gaps else video.runs(frames):
                pair = list(itertools.islice(stretch := _every(stretch, self._options.stride), 2))
                if len(pair) == 2:  # else a lone frame between gaps
                    self._stretch(itertools.chain(pair, stretch), estimate, worker)
        except UserError:
            worker.close()  # an error in writing comes first
            raise
        except BaseException:
            worker.stop(drop=True)
            raise
        worker.close()

    def _stretch(self, frames, estimate, worker) -> None:
        waiting: deque[video.Frame] = deque()

        def taken():
            for frame in frames:
                waiting.append(frame)
                yield frame.pixels

        shown = None
        for result in estimate(taken(), self._sequence.name):
            shown = result if self._options.backward else result._replace(backward=None)
            self._add(worker, waiting.popleft(), shown)
        if self._options.pad_last and shown is not None:
            self._write(worker, waiting.popleft(), shown)

    def _add(self, worker, frame, shown) -> None:
        self._write(worker, frame, shown)
        self.pairs, self.size = self.pairs + 1, shown.flow.shape[:2]
        self._progress()

    def _write(self, worker, frame, shown) -> None:
        number = frame.stamp.number
        stem = self._names[number] if self._names is not None else f"{number:06d}"
        self._shown.append(number)
        worker.put(lambda: self._files.write(stem, shown, frame))

    def again(self) -> Iterator[video.Frame]:
        """Yields the first frames of all pairs once more."""
        if self._files.wheel_max is not None:
            return
        wanted = iter(self._shown)
        number = next(wanted, None)
        with contextlib.closing(_read(self._sequence, self._options, lambda _: None)) as frames:
            for frame in frames:
                if number is None:
                    return
                if frame.stamp.number == number:
                    yield frame
                    number = next(wanted, None)


def _read(sequence, options, on_damage) -> Any:
    """Returns a generator of frames that are read ahead."""
    return video.prefetched(sequence.timed(options.deinterlace, on_damage), _AHEAD)


def _every(frames: Iterable[video.Frame], stride: int) -> Iterator[video.Frame]:
    return (frame for frame in frames if frame.stamp.number % stride == 0)


def _too_few(sequence: Sequence) -> UserError:
    where = sequence.paths[0] if sequence.paths else sequence.name
    return UserError(where, "one frame only; flow needs two", "Add a second frame")
