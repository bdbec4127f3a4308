"""The frames of a video with their times, one in memory at a time."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import orientation
from daflow_jax.io.video import container, damage, display_matrix, interlace
from daflow_jax.io.video.clock import Stamp
from daflow_jax.io.video.decode import Track, luma, pixels


class Frame(NamedTuple):
    """One picture and where it stands.

    Attributes:
        pixels: uint8 RGB (h, w, 3).
        stamp: number, time and duration in seconds, and how many frames are missing before it.
    """

    pixels: np.ndarray
    stamp: Stamp


def frames(
    path: str | Path,
    *,
    upright: bool | None = None,
    deinterlace: bool = False,
    on_damage: damage.OnDamage | None = None,
) -> Iterator[np.ndarray]:
    """Yields the frames as uint8 RGB (h, w, 3), in order of display, at constant memory.

    See `timed` for the arguments and errors.
    """
    for frame in timed(path, upright=upright, deinterlace=deinterlace, on_damage=on_damage):
        yield frame.pixels


def timed(
    path: str | Path,
    *,
    upright: bool | None = None,
    deinterlace: bool = False,
    on_damage: damage.OnDamage | None = None,
) -> Iterator[Frame]:
    """Yields the frames with their times, in order of display, at constant memory.

    Args:
        upright: turn and mirror as a viewer does; False keeps the stored pictures; None: as
            `io.orientation` says.
        deinterlace: fill the missing rows of each field (FFmpeg's bwdif), one frame a frame.
        on_damage: called with every place where frames are missing, in the middle (before the next
            frame is yielded, whose `stamp.missing` says how many) and at the end. None: such a
            place is a `UserError`, the same for both.

    Errors: see `container.opened`; a change of size is a `UserError` with the number of the frame.
    """
    report = on_damage or _refuse
    with container.opened(path) as (source, video):
        track = Track(Path(path), source, video)
        pictures = _stamped(track, report)
        if deinterlace:
            order = interlace.field_order(luma(Path(path)))
            pictures = interlace.deinterlaced(pictures, video, order, track.path)
        turned = display_matrix.turns(upright)
        for picture, stamp in pictures:
            stored = pixels(picture, "rgb24", track.path)
            shown = orientation.apply(stored, track.turn) if turned else stored
            yield Frame(np.ascontiguousarray(shown), stamp)


def runs(pictures: Iterable[Frame]) -> Iterator[Iterator[Frame]]:
    """Yields the stretches without missing frames, so that no pair of frames crosses a gap.

    Each stretch must be used up before the next one is asked for.
    """
    number = 0

    def run(frame: Frame) -> int:
        nonlocal number
        number += frame.stamp.missing > 0
        return number

    for _, frames_of_run in itertools.groupby(pictures, run):
        yield frames_of_run


def split(pictures: Iterable[Frame]) -> tuple[Iterator[np.ndarray], Iterator[Stamp]]:
    """Returns pixels and stamps apart, for a network that takes frames now and gives them later.

    The stamps of frames that were taken wait, in order, until they are asked for; asking for one
    of a frame that was not taken yet ends the second iterator.
    """
    waiting: deque[Stamp] = deque()

    def taken() -> Iterator[np.ndarray]:
        for frame in pictures:
            waiting.append(frame.stamp)
            yield frame.pixels

    def stamps() -> Iterator[Stamp]:
        while waiting:
            yield waiting.popleft()

    return taken(), stamps()


def _refuse(found: damage.Damage) -> None:
    raise found.error()


def _stamped(track: Track, report: damage.OnDamage) -> Iterator[tuple[Any, Stamp]]:
    """Yields frames (PyAV) and stamps; tells `report` about damage."""
    first, size, before = None, (0, 0), None
    for picture in track.frames():
        stamp = track.clock.stamp(picture)
        if first is None:
            first, size = stamp, (picture.height, picture.width)
            track.turn = display_matrix.of_frame(picture)
        if stamp.missing:
            report(damage.between(track, stamp, before, first))
        if (picture.height, picture.width) != size:
            raise _other_size(track.path, stamp.number, picture, size)
        before = stamp
        yield picture, stamp
    end = damage.at_end(track, first)
    if end:
        report(end)


def _other_size(path: Path, number: int, picture: Any, size: tuple[int, int]) -> UserError:
    rule = (
        f"frame {number} is {picture.width}x{picture.height} but those before are "
        f"{size[1]}x{size[0]}; frames of one video share a size"
    )
    remedy = f"Cut it there, or scale it: ffmpeg -i FILE -vf scale={size[1]}:{size[0]} new.mp4"
    return UserError(path, rule, remedy)
