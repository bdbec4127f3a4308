"""What a video is before it is read: size, rate, number of frames."""

import dataclasses
import functools
from pathlib import Path

from daflow_jax.io.video import container, display_matrix, interlace, promise
from daflow_jax.io.video.decode import Track, luma


@dataclasses.dataclass(frozen=True)
class Info:
    """What the header and the first packets of a video say.

    Attributes:
        frames: number of frames; None where neither says it, an estimate in Matroska and MPEG.
        height: pixels, as `frames` yields them.
        width: pixels, as `frames` yields them.
        fps: mean number of frames per second.
        path: of the video.
        constant: frames stand at equal distances; else use the time stamps (`timed`).
        orientation: 1 to 8, as in Exif: how a viewer turns the stored pictures; 1 = not at all.
        notes: sentences that a command should show: what was not taken as the header says.
    """

    frames: int | None
    height: int
    width: int
    fps: float
    path: Path = dataclasses.field(default=Path(), compare=False)
    constant: bool = dataclasses.field(default=True, compare=False)
    orientation: int = dataclasses.field(default=1, compare=False)
    notes: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    @functools.cached_property
    def interlaced(self) -> bool:
        """Whether the first frames with motion are interlaced; decodes up to 64 frames once."""
        return interlace.field_order(luma(self.path)) is not None


def info(path: str | Path, *, upright: bool | None = None) -> Info:
    """Returns the facts of a video; decodes one frame, for the display matrix.

    `upright` as in `frames`: it swaps height and width of a video that lies on its side.
    """
    with container.opened(path) as (source, video):
        track = Track(Path(path), source, video)
        count, pace = _count(track), track.pace
        first = next(track.frames(), None)
        turn = display_matrix.of_frame(first) if first else 1
        size = (first.height, first.width) if first else (video.height, video.width)
        notes = []
        if not pace.believed:
            said = float(video.average_rate or 0)
            rule = f"{said:g} frames a second are not believed; {float(pace.rate):g} are taken"
            notes.append(f"{path}: {rule}")
        height, width = display_matrix.size(size, turn if display_matrix.turns(upright) else 1)
        fps = float(pace.rate)
        return Info(count, height, width, fps, Path(path), pace.constant, turn, tuple(notes))


def _count(track: Track) -> int | None:
    """Returns the number of frames: counted if few, else the header's, else by the duration."""
    sample, video = track.sample, track.track
    if sample.whole:
        return len(sample.times(video.time_base)) or None
    if video.frames:
        return video.frames
    return round(promise.length(track.source, video) * float(track.pace.rate)) or None
