"""Missing frames, in the middle and at the end: one rule and one sentence for both."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from daflow_jax.errors import UserError
from daflow_jax.io.video import promise
from daflow_jax.io.video.clock import Stamp
from daflow_jax.io.video.decode import Track


@dataclasses.dataclass(frozen=True)
class Damage:
    """A place where frames are missing.

    Attributes:
        path: the video.
        after: number of frames before it, missing ones included.
        missing: how many frames are missing; None where the file does not say it.
        seconds: where the last frame before it ends, from the first frame on.
        at_end: nothing follows: the video is truncated.
        promised: frames that the header counts, 0 = unknown.
        cut: the file is shorter than it declares: its last frames may lack their neighbours.
    """

    path: Path
    after: int
    missing: int | None
    seconds: float
    at_end: bool = False
    promised: int = 0
    cut: bool = False

    def __str__(self) -> str:
        if self.at_end:
            of = f" of {self.promised}" if self.promised else ""
            return f"truncated video, no frame after {self.after}{of} ({self.seconds:.3f} s)"
        frames = "frame is" if self.missing == 1 else "frames are"
        place = f"after the first {self.after} ({self.seconds:.3f} s)"
        kind = "truncated" if self.cut else "damaged"
        return f"{kind} video, {self.missing} {frames} missing {place}"

    def error(self) -> UserError:
        """Returns the one-line refusal."""
        remedy = "Copy it again, or cut it: ffmpeg -i FILE -frames:v N new.mp4"
        return UserError(self.path, str(self), remedy)


OnDamage = Callable[[Damage], None]


def between(track: Track, stamp: Stamp, last: Stamp | None, start: Stamp) -> Damage:
    """Returns the damage before the frame of `stamp`; `last` is the frame before it, if any."""
    seconds = _end(last, start) if last else 0.0
    after = stamp.number - stamp.missing
    return Damage(track.path, after, stamp.missing, seconds, cut=track.is_cut)


def _end(last: Stamp, start: Stamp) -> float:
    return float(last.time + last.duration - start.time)


def at_end(track: Track, start: Stamp | None) -> Damage | None:
    """Returns what is missing after the last frame, None for a whole video.

    `start` is the stamp of the first frame, None if there was none.
    """
    last, counted = track.clock.last, promise.frames(track.source, track.track)
    if last is None or start is None:
        return Damage(track.path, 0, counted or None, 0.0, True, counted)
    if not _is_short(track, last):
        return None
    after = last.number + 1
    missing = counted - after if counted > after else None
    return Damage(track.path, after, missing, _end(last, start), True, counted)


def _is_short(track: Track, last: Stamp) -> bool:
    """Returns whether frames are missing after the last one.

    Neither sign is enough alone: cutters leave frames in the file that its edit list skips, the
    last frame may stand for long, and a file may lose only its index.
    """
    counted = promise.frames(track.source, track.track)
    if track.clock.lost:
        return True
    if counted and track.packets >= counted:
        return False
    end, exact = promise.end(track.source, track.track)
    if end is None or not track.pace.believed:
        return track.is_cut or (bool(counted) and track.pace.believed)
    if not (counted or track.pace.constant or track.is_cut):
        return False  # at uneven times the last frame may stand for any time
    slack = 2.5 * float(track.pace.step) if exact or counted else 1.0
    slack = 0.5 * float(track.pace.step) if track.is_cut else slack
    return float(last.time + last.duration) + slack < end
