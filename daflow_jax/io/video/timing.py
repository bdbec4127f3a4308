"""Time stamps of the frames that are written."""

from fractions import Fraction
from typing import Any

from daflow_jax.io.video.audio import Sound

# Seconds per tick of time stamps: whole numbers for 24, 25, 30, 60, 120 frames a second, the same
# times 1000/1001, and milliseconds.
TICK = Fraction(1, 360000)

Seconds = float | int | Fraction


class Timing:
    """Turns the times of frames into time stamps, one frame behind: its end is the next begin.

    Attributes:
        origin: the second that becomes 0.
    """

    def __init__(self, rate: Fraction, sound: Sound | None, first: Seconds | None):
        self._rate, self._sound = rate, sound
        begin = first
        if first is None and sound is not None:
            begin = sound.video_start
        self.timed = begin is not None
        self._given, self._begin, self._count = first is not None, Fraction(begin or 0), 0
        self.origin = sound.origin(self._begin) if sound else self._begin
        self._last: Fraction | None = None
        self._held: tuple[Any, Fraction, Fraction] | None = None

    def place(self, time: Seconds | None) -> Fraction | None:
        """Returns the second of the next frame, None for files of constant rate without times."""
        if (time is not None) != self._given:
            raise ValueError("time is given for all frames of a video or for none")
        placed = Fraction(time) if time is not None else self._begin + self._count / self._rate
        if self._last is not None and placed - self._last < TICK:
            raise ValueError(f"time {float(placed)} s does not follow {float(self._last)} s")
        self._last, self._count = placed, self._count + 1
        return placed if self.timed else None

    def add(self, picture: Any, time: Fraction | None, duration: Seconds | None) -> list[Any]:
        """Returns the frames (PyAV) that are ready, with time stamps in ticks and durations."""
        if time is None:
            return [picture]
        ready = self.rest(time)
        self._held = (picture, time, Fraction(duration or 0) or 1 / self._rate)
        return ready

    def rest(self, until: Fraction | None = None) -> list[Any]:
        """Returns the frame that is held, shown until the second `until` or for its duration."""
        if self._held is None:
            return []
        picture, time, duration = self._held
        self._held = None
        picture.time_base = TICK
        picture.pts = round((time - self.origin) / TICK)
        end = time + duration if until is None else until
        picture.duration = max(round((end - self.origin) / TICK) - picture.pts, 1)
        return [picture]
