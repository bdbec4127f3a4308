"""Flow of frames as they come, at constant memory."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from daflow_jax import errors
from daflow_jax.predict.flow import consistency
from daflow_jax.predict.flow.estimator import Estimator
from daflow_jax.predict.flow.runner import Result
from daflow_jax.predict.frames import as_frames


class Stream:
    """Iterates over the flow of neighbouring frames; holds a few frames, whatever the length.

    Args:
        estimator: what estimates; decides how many frames are held.
        frames: iterable of (h, w, 3) frames of one size, or None until `reset(frames)`.
        warm_start: start each window from the previous flow carried forward (RAFT, sec. 3.3). One
            window at a time then.
        init_flow: (n, h, w, 2), the flow in pixels that each pair of `frames` starts from instead.
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
        init_flow: np.ndarray | None = None,
        where: str = "frames",
    ):
        self._estimator, self._where = estimator, where
        self._warm_start, self._bidirectional = warm_start, bidirectional
        self._results: Iterator[Result] | None = None
        self.reset(frames)
        self._starts = None if init_flow is None else estimator.low(init_flow)

    def reset(self, frames: Iterable[np.ndarray] | None = None) -> None:
        """Forgets the last flow and what is left of `init_flow`, as at a scene cut; with `frames`
        also starts over with them.
        """
        self._low: np.ndarray | None = None
        self._starts: np.ndarray | None = None
        if frames is not None:
            self._results = self._run(iter(frames))

    def __iter__(self) -> Iterator[Result]:
        return self

    def __next__(self) -> Result:
        """Returns the Result of the next pair: flow (h, w, 2), the rest without the pair axis."""
        if self._results is None:
            raise errors.UserError(self._where, "the stream has none yet", "Call reset(frames)")
        return next(self._results)

    def _run(self, frames):
        held = self._take(frames, 1, None)
        step = None
        while held:
            if step is None:
                step = self._step(held[0].shape[:2])
                first, fill = True, 0
            fresh = self._take(frames, step, held[0].shape)
            if not fresh:
                if first:
                    raise errors.UserError(
                        self._where, "one frame only; flow needs two", "Add a second frame"
                    )
                return
            yield from self._chunk(np.stack(held[-1:] + fresh), fill)
            held, first, fill = fresh[-1:], False, step

    def _step(self, size):
        if self._warm_start:
            return self._estimator.window - 1
        return self._estimator.batch(size)

    def _take(self, frames, count, shape):
        taken = []
        for frame in itertools.islice(frames, count):
            frame = as_frames(frame, self._where)
            shape = shape or frame.shape
            if frame.shape != shape:
                raise errors.UserError(
                    self._where,
                    f"a frame of {frame.shape[1]}x{frame.shape[0]} after "
                    f"{shape[1]}x{shape[0]}; frames of one sequence share a size",
                    "Resize or split the sequence",
                )
            taken.append(frame)
        return taken

    def _chunk(self, frames, fill):
        start = self._low
        if self._starts is not None:
            start, self._starts = np.split(self._starts, [len(frames) - 1])
        flows, low = self._estimator(frames, start, fill)
        flows, unsure = (np.ascontiguousarray(x) for x in np.split(flows, [2], axis=-1))
        back = None
        if self._bidirectional:
            reverse, _ = self._estimator(np.ascontiguousarray(frames[::-1]), None, fill)
            back = reverse[-1, ::-1, ..., :2]
        if self._warm_start:
            self._low = consistency.carry(low, self._estimator.window - 1)
        for index in range(len(frames) - 1):
            result = Result(flows[-1, index])
            if back is not None:
                result = consistency.compare(flows[-1, index], back[index])
            if self._estimator.options.all_iterations:
                result = result._replace(iterations=flows[:, index])
            if unsure.size:
                result = result._replace(uncertainty=unsure[-1, index, ..., 0])
            yield result


def run_clip(
    estimator: Estimator,
    frames: np.ndarray,
    bidirectional: bool = False,
    init_flow: np.ndarray | None = None,
) -> Result:
    """Returns the Result of frames (t, h, w, 3): flow (t-1, h, w, 2) and so on.

    init_flow: (t-1, h, w, 2) in pixels, where the refinement of each pair starts, or None.
    """
    expected = (len(frames) - 1, *frames.shape[1:3], 2)
    if init_flow is not None and init_flow.shape != expected:
        raise errors.UserError(
            "init_flow", f"shape {init_flow.shape} instead of {expected}", "One flow per pair"
        )
    results = list(Stream(estimator, frames, bidirectional=bidirectional, init_flow=init_flow))
    stacked = Result._make(
        None if x[0] is None else np.stack(x) for x in zip(*results, strict=True)
    )
    if stacked.iterations is None:
        return stacked
    return stacked._replace(iterations=stacked.iterations.swapaxes(0, 1))
