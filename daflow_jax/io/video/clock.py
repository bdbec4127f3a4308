"""Time and number of every frame, and how many are missing before it."""

from fractions import Fraction
from typing import Any, NamedTuple

from daflow_jax.io.video.pace import Pace

_LONGEST = 3600  # [choice] seconds; a longer jump of the time stamps is a new recording, not a hole


class Stamp(NamedTuple):
    """Where a frame stands.

    Attributes:
        number: of the frame from 0 on; missing frames count, so later numbers do not shift.
        time: seconds on the clock of the file, which may begin late; always increasing.
        duration: seconds for which the frame is shown.
        missing: number of frames that are missing between the frame before and this one.
    """

    number: int
    time: Fraction
    duration: Fraction
    missing: int


class Clock:
    """Gives stamps to decoded frames in order of display; `base` is the track's unit in seconds."""

    def __init__(self, pace: Pace, base: Fraction):
        self._pace, self._base = pace, base
        self._lost: list[int | None] = []  # time stamps of packets and frames that are damaged
        self._shift = Fraction(0)
        self.last: Stamp | None = None

    def lose(self, stamp: int | None) -> None:
        """Notes a packet or frame that cannot be shown."""
        self._lost.append(stamp)

    @property
    def lost(self) -> int:
        """Number of frames that were lost after the last good one."""
        return len(self._lost)

    def stamp(self, frame: Any) -> Stamp:
        """Returns the stamp of the next good frame."""
        step = self._pace.step
        base = frame.time_base or self._base
        raw = None if frame.pts is None else Fraction(frame.pts * base)
        duration = Fraction((frame.duration or 0) * base) or step
        if raw is None or not self._pace.believed:
            raw, duration = self._expected() - self._shift, step
        time, hole = raw + self._shift, Fraction(0)
        if self.last is not None:
            hole = time - self.last.time - max(self.last.duration, step)
            if time <= self.last.time or hole > _LONGEST:
                time, hole = self.last.time + step, Fraction(0)
                self._shift = time - raw
        missing = self._missing(frame.pts, hole)
        number = missing + (self.last.number + 1 if self.last else 0)
        self.last = Stamp(number, time, duration, missing)
        return self.last

    def _expected(self) -> Fraction:
        return self.last.time + self._pace.step if self.last else Fraction(0)

    def _missing(self, pts: int | None, hole: Fraction) -> int:
        """Returns how many frames are missing: known losses, or the hole in units of the step."""
        before = [lost is None or pts is None or lost < pts for lost in self._lost]
        self._lost = [lost for lost, past in zip(self._lost, before, strict=True) if not past]
        empty = int(hole / self._pace.step + Fraction(2, 5)) if self._pace.constant else 0
        return max(sum(before), empty)
