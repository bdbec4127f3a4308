"""How the frames of a video follow each other, judged by the time stamps of its first packets."""

import statistics
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

MOST_FPS = 480  # [choice] higher rates come from broken headers, not from cameras
USUAL_FPS = Fraction(25)  # where no time stamp can be believed
_PACKETS = 256  # [choice] looked at
_BYTES = 1 << 24  # [choice] held at most while looking
_IRREGULAR = 0.2  # [choice] share of odd steps that a constant rate with damage may have


class Pace(NamedTuple):
    """What the first packets say.

    Attributes:
        rate: frames per second, the mean.
        step: seconds from frame to frame, the median.
        constant: nearly all steps are alike, so that a longer one means missing frames.
        believed: the time stamps are possible; else frames stand `step` apart.
    """

    rate: Fraction
    step: Fraction
    constant: bool
    believed: bool


class Sample(NamedTuple):
    """The first packets of a track, and whether they are all of it."""

    packets: list
    whole: bool

    def times(self, base: Fraction) -> list[Fraction]:
        """Returns the distinct time stamps in seconds, in order of display."""
        shown = (packet for packet in self.packets if packet.size and not packet.is_discard)
        stamps = {packet.dts if packet.pts is None else packet.pts for packet in shown}
        return [stamp * base for stamp in sorted(stamps - {None})]


def take(packets: Iterator) -> Sample:
    """Returns the first packets; the iterator goes on behind them."""
    held, size = [], 0
    for packet in packets:
        held.append(packet)
        size += packet.size
        if len(held) >= _PACKETS or size >= _BYTES:
            return Sample(held, False)
    return Sample(held, True)


def judge(track: Any, sample: Sample, repeats: bool) -> Pace:
    """Returns the pace of a track.

    Args:
        repeats: the format leaves out frames that equal the one before (AVI), so that a long step
            says nothing about damage.
    """
    base = track.time_base or Fraction(1, 1)
    times = sample.times(base)
    steps = [after - before for before, after in zip(times[:-1], times[1:], strict=True)]
    durations = [packet.duration * base for packet in sample.packets if packet.duration]
    if not steps:
        return _single(track, durations)
    step, mean = statistics.median_low(steps), (times[-1] - times[0]) / len(steps)
    rate = _rate(track, step, mean)
    if rate > MOST_FPS:
        return Pace(USUAL_FPS, 1 / USUAL_FPS, False, False)
    odd = sum(not _alike(one, step, 0.3) for one in steps) / len(steps)
    agrees = not durations or _alike(statistics.median_low(durations), step, 0.3)
    return Pace(rate, step, agrees and odd <= _IRREGULAR and not repeats, True)


def _single(track: Any, durations: list[Fraction]) -> Pace:
    rate = track.average_rate or (1 / durations[0] if durations else None) or USUAL_FPS
    rate = Fraction(rate) if 0 < rate <= MOST_FPS else USUAL_FPS
    return Pace(rate, 1 / rate, False, True)


def _rate(track: Any, step: Fraction, mean: Fraction) -> Fraction:
    """Returns the header's rate where the time stamps agree or the header counts the frames."""
    said = Fraction(track.average_rate or 0)
    if said and (track.frames or _alike(1 / said, step, 0.05) or _alike(1 / said, mean, 0.05)):
        return said
    return 1 / mean


def _alike(one: Fraction, other: Fraction, tolerance: float) -> bool:
    return abs(one - other) <= Fraction(tolerance) * other
