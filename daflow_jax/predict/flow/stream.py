"""Flow of frames as they come, at constant memory."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.predict.flow import consistency, pairs
from daflow_jax.predict.flow.estimator import Estimator
from daflow_jax.predict.flow.result import Result
from daflow_jax.predict.frames import as_frames, same_size


class Stream:
    """Iterates over the flow of neighbouring frames; holds a few frames, whatever the length.

    Args:
        estimator: what estimates; decides how many frames are held.
        frames: iterable of (h, w, 3) frames of one size, or None until `reset(frames)`.
        warm_start: start each window from the previous flow carried forward (RAFT, sec. 3.3). One
            window at a time then.
        bidirectional: also the backward flow, occlusion and confidence.
        where: names the frames in errors.
    """

    def __init__(
        self,
        estimator: Estimator,
        frames: Iterable[np.ndarray] | None = None,
        *,
        warm_start: bool = False,
        bidirectional: bool = False,
        where: str = "frames",
    ):
        self._estimator, self._where = estimator, where
        self._warm_start, self._bidirectional = warm_start, bidirectional
        self._results: Iterator[Result] | None = None
        self.reset(frames)

    def reset(self, frames: Iterable[np.ndarray] | None = None) -> None:
        """Forgets the last flow, as at a scene cut; with `frames` also starts over with them."""
        self._start: np.ndarray | None = None
        if frames is not None:
            self._results = self._run(iter(frames))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """Returns the Result of the next pair: flow (h, w, 2), the rest without the pair axis."""
        if self._results is None:
            raise errors.UserError(self._where, "the stream has none yet", "Call reset(frames)")
        return next(self._results)

    def _run(self, frames):
        last, fill = self._take(frames, 1, None), 0
        while last:
            step = self._step(last[0].shape[:2])
            fresh = self._take(frames, step, last[0].shape)
            if not fresh:
                if not fill:
                    rule = "one frame only; flow needs two"
                    raise errors.UserError(self._where, rule, "Add a second frame")
                return
            yield from self._estimated(np.stack(last + fresh), step if fill else 0)
            last, fill = fresh[-1:], step

    def _estimated(self, frames, fill):
        found, low = pairs.estimate(self._estimator, frames, self._start, fill, self._bidirectional)
        if self._warm_start:
            self._start = consistency.carry(low, self._estimator.window - 1)
        for index in range(len(frames) - 1):
            yield found.pair(index)

    def _step(self, size):
        return self._estimator.window - 1 if self._warm_start else self._estimator.batch(size)

    def _take(self, frames, count, shape):
        taken = []
        for frame in itertools.islice(frames, count):
            taken.append(as_frames(frame, self._where))
            shape = shape or taken[0].shape
            same_size(taken[-1].shape, shape, self._where)
        return taken
