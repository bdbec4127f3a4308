"""What a video is before it is read: size, rate, number of frames."""

import dataclasses
import functools
from pathlib import Path

from daflow_jax.io.video import container, interlace, orientation, promise
from daflow_jax.io.video.decode import Track, luma
from daflow_jax.io.video.orientation import UPRIGHT, Orientation


@dataclasses.dataclass(frozen=True)
class Info:
    """What the header and the first packets of a video say.

    Attributes:
        frames: number of frames; None where neither says it, an estimate in Matroska and MPEG.
        height: pixels, of the upright picture.
        width: pixels, of the upright picture.
        fps: mean number of frames per second.
        path: of the video.
        constant: frames stand at equal distances; else use the time stamps (`timed`).
        orientation: how a viewer turns the stored pictures.
        notes: sentences that a command should show: what was not taken as the header says.
    """

    frames: int | None
    height: int
    width: int
    fps: float
    path: Path = dataclasses.field(default=Path(), compare=False)
    constant: bool = dataclasses.field(default=True, compare=False)
    orientation: Orientation = dataclasses.field(default=UPRIGHT, compare=False)
    notes: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    @functools.cached_property
    def interlaced(self) -> bool:
        """Whether the first frames with motion are interlaced; decodes up to 64 frames once."""
        return interlace.field_order(luma(self.path)) is not None


def info(path: str | Path) -> Info:
    """Returns the facts of a video; decodes one frame, for the display matrix."""
    with container.opened(path) as (source, video):
        track = Track(Path(path), source, video)
        count, pace = _count(track), track.pace
        first = next(track.frames(), None)
        laid = orientation.of_frame(first) if first else UPRIGHT
        size = (first.height, first.width) if first else (video.height, video.width)
        notes = []
        if not pace.believed:
            said = float(video.average_rate or 0)
            rule = f"{said:g} frames a second are not believed; {float(pace.rate):g} are taken"
            notes.append(f"{path}: {rule}")
        height, width = laid.size(*size)
        fps = float(pace.rate)
        return Info(count, height, width, fps, Path(path), pace.constant, laid, tuple(notes))


def _count(track: Track) -> int | None:
    """Returns the number of frames: counted if few, else the header's, else by the duration."""
    sample, video = track.sample, track.track
    if sample.whole:
        return len(sample.times(video.time_base)) or None
    if video.frames:
        return video.frames
    return round(promise.length(track.source, video) * float(track.pace.rate)) or None
