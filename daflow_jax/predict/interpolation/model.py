"""Interpolators, called on clips: the frames between each pair of neighbours."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.predict import frames as inputs
from daflow_jax.predict.interpolation import schedule, stream
from daflow_jax.predict.interpolation.demo import DemoStream
from daflow_jax.predict.interpolation.stream import Ask, Stream
from daflow_jax.predict.model import Model


class InterpolationModel(Model):
    """An interpolator with its weights; call it on frames and times.

    Frames get zeros at the bottom and on the right, and results are cropped. A network that finds
    middle frames alone (`config.any_time` is False) is called on its own results, so its times are
    halves, quarters, eighths and so on.
    """

    def __call__(
        self,
        frames: Any,
        times: Sequence[float] = (0.5,),
        *,
        gate: str = "off",
        flips: bool = False,
        **options: Any,
    ) -> np.ndarray:
        """Returns float32 (t-1, n, h, w, 3) in [0, 1]: n frames between each pair of neighbours.

        Args:
            frames: (t, h, w, 3), uint8, uint16 or float in [0, 1]; any size.
            times: n numbers in (0, 1), 0 = the first frame of a pair, 1 = the second.
            gate: "cuts" repeats the first frame where neighbours are of two scenes or equal; "ssim"
                also where they are very similar, as RIFE's scripts do.
            flips: average with the result for frames that are flipped in both axes.
            options: of the network, such as `scale`.
        """
        shares = self._shares(times)
        clip = inputs.as_clip(frames)
        if len(clip) < 2:
            rule = "one frame only; interpolation needs two"
            raise errors.UserError("frames", rule, "Add a second frame")
        out = np.empty((len(clip) - 1, len(times), *clip[0].shape[:2], 3), np.float32)
        found = self.stream(_asks(clip, shares), gate=gate, flips=flips, whole=False, **options)
        for place, frame in found:
            out[place] = frame
        return out

    def stream(
        self,
        asks: Iterable[Ask],
        *,
        gate: str = "cuts",
        flips: bool = False,
        whole: bool = True,
        where: str = "frames",
        as_demo: bool = False,
        **options: Any,
    ) -> Stream:
        """Returns an iterator over the frames that are asked for; see `Stream`, and `DemoStream`
        for `as_demo`."""
        stream.check_gate(gate)
        if as_demo and gate != "ssim":
            raise errors.UserError(f"gate {gate}", "the demo has another", "Pass gate ssim")
        chosen, kind = self.options(**options), DemoStream if as_demo else Stream
        return kind(self, asks, chosen, gate=gate, flips=flips, whole=whole, where=where)

    def _shares(self, times: Sequence[float]) -> list[Fraction]:
        if not len(times) or not all(0 < time < 1 for time in times):
            rule = f"{tuple(times)} are not between 0 and 1"
            raise errors.UserError("times", rule, "Pass numbers such as (0.25, 0.5, 0.75)")
        shares = [Fraction(float(time)) for time in times]
        what = f"times {tuple(float(time) for time in times)}"
        schedule.check_reach(shares, self.config.any_time, self.name, what)
        return shares


def _asks(clip: Any, shares: Sequence[Fraction]) -> Iterator[Ask]:
    """Yields what is asked for of a clip, its place being the index of pair and time."""
    second = _frame(clip, 0)
    for index in range(len(clip) - 1):
        first, second = second, _frame(clip, index + 1)
        for number, share in enumerate(shares):
            yield Ask(first, second, share, (index, number))


def _frame(clip: Any, index: int) -> np.ndarray:
    """Returns a frame with three channels: uint8 as it is, else float32."""
    frame = clip[index]
    return frame if frame.dtype == np.uint8 and frame.shape[-1] == 3 else inputs.as_frames(frame)
