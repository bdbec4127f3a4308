"""Frames that are asked for one by one, between neighbours that come one by one."""

import collections
import contextlib
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import numpy as np

from daflow_jax import errors
from daflow_jax.predict import frames as inputs
from daflow_jax.predict.interpolation.gate import GATES, Gate
from daflow_jax.predict.interpolation.network import Network
from daflow_jax.predict.interpolation.pair import Pair


class Ask(NamedTuple):
    """A frame that is wanted.

    Attributes:
        first, second: neighbours (h, w, 3), uint8, uint16 or float in [0, 1]; the same arrays as
            long as they are meant.
        share: of their interval, 0 = `first` itself.
        place: comes back beside the frame.
    """

    first: np.ndarray
    second: np.ndarray | None
    share: Fraction
    place: Any = None


class Stream:
    """Iterates over (place, frame (h, w, 3)) of what is asked for, in order.

    It holds two neighbours and what was found between them, whatever the length. On an accelerator
    the next frame is computed while the one before travels to the host.

    Args:
        model: an InterpolationModel. options: of its calls.
        gate: which neighbours get copies of the first one between them instead of the network's
            frames: "cuts", those of two scenes and equal ones; "ssim", also very similar ones, as
            in RIFE's and CogVideo's scripts; "off", none.
        whole: frames are uint8, and those that are asked for at share 0 are as they came; else
            float32 in [0, 1].
        where: names the frames in errors.

    Attributes:
        seconds: spent on the network, without compiling it.
        counts: of neighbours that are "static", "moving" or a "cut" by the gate; of "frames" that
            the network made.
    """

    def __init__(
        self,
        model: Any,
        asks: Iterable[Ask],
        options: Any,
        *,
        gate: str = "cuts",
        flips: bool = False,
        whole: bool = True,
        where: str = "frames",
    ):
        self._model, self._asks, self._options = model, asks, options
        self._gate_name, self._flips, self._whole, self._where = gate, flips, whole, where
        self._network: Network | None = None
        self._gate: Gate | None = None
        self._pair: Pair | None = None
        self._ahead = 0 if model.device.platform == "cpu" else 1  # a CPU has nothing to wait for
        self.counts: collections.Counter[str] = collections.Counter()
        self.seconds = 0.0

    def __iter__(self) -> Iterator[tuple[Any, np.ndarray]]:
        waiting: collections.deque[tuple[Any, jax.Array | np.ndarray]] = collections.deque()
        for ask in self._asks:
            with self._timed():
                waiting.append((ask.place, self._found(ask)))
            while len(waiting) > self._ahead:
                yield self._fetched(*waiting.popleft())
        while waiting:
            yield self._fetched(*waiting.popleft())

    def _fetched(self, place: Any, found: jax.Array | np.ndarray) -> tuple[Any, np.ndarray]:
        with self._timed():
            return place, np.asarray(found)

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        programs = self._model.programs
        begun, compiled = time.perf_counter(), programs.compile_seconds
        yield
        self.seconds += time.perf_counter() - begun - (programs.compile_seconds - compiled)

    def _found(self, ask: Ask) -> jax.Array | np.ndarray:
        if ask.second is None or ask.share == 0:
            return self._given(ask.first)
        found = self._of(ask.first, ask.second).at(ask.share)
        if isinstance(found, np.ndarray):
            return self._given(found)
        self.counts["frames"] += 1
        assert self._network is not None
        return self._network.cropped(found, self._whole)

    def _of(self, first: np.ndarray, second: np.ndarray) -> Pair:
        """Returns the pair of two neighbours; it follows the pair before, whose end it begins."""
        last = self._pair
        if last is not None and last.first is first and last.second is second:
            return last
        begin = last.end if last is not None and last.second is first else None
        self._network_of(first, second)
        self._pair = self._paired(first, second, begin, self._gate)
        return self._pair

    def _paired(self, first: np.ndarray, second: np.ndarray, begin: Any, gate: Any) -> Pair:
        relation = "moving"
        if gate is not None:
            relation = gate(first, second)
            self.counts[relation] += 1
        return Pair(self._network_of(first, second), first, second, begin, relation)

    def _network_of(self, first: np.ndarray, second: np.ndarray) -> Network:
        """Returns the network for the size of the first frames."""
        inputs.same_size(second.shape, first.shape, self._where)
        if self._network is None:
            size = first.shape[0], first.shape[1]
            self._network = Network(self._model, self._options, self._flips, size)
            if self._gate_name == "ssim":
                self._gate = Gate(True, self._network.padded)
            elif self._gate_name == "cuts":
                self._gate = Gate(False)
        inputs.same_size(first.shape, self._network.size, self._where)
        return self._network

    def _given(self, frame: np.ndarray) -> np.ndarray:
        """Returns a frame that was given, in the form that is wanted."""
        if self._whole and frame.dtype == np.uint8:
            return frame
        frame = inputs.as_frames(frame, self._where)
        return np.rint(255 * frame).astype(np.uint8) if self._whole else frame


def check_gate(gate: str) -> None:
    """Raises UserError for a gate that is unknown."""
    if gate not in GATES:
        raise errors.UserError(f"gate {gate}", "is unknown", errors.nearest(gate, GATES))
