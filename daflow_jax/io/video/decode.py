"""Decoding that goes on behind damaged packets."""

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io.video import container, structure
from daflow_jax.io.video.clock import Clock
from daflow_jax.io.video.pace import Pace, Sample, judge, take

_UNSPECIFIED = (2, 0)  # FFmpeg's numbers for a colour space and a range that nothing says


@dataclasses.dataclass
class Track:
    """One open video track, its first packets read.

    Attributes:
        path: of the file.
        source: the open container (PyAV).
        track: its video stream (PyAV).
        sample: the first packets.
        pace: what they say about time.
        turn: orientation (1 to 8, as in Exif); known from the first frame on.
        clock: gives the stamps, and hears of damaged packets.
        packets: number read so far, without those that an edit list skips.
        broken: reading ended with an error.
    """

    path: Path
    source: Any
    track: Any
    turn: int = 1

    def __post_init__(self):
        self.packets, self.broken = 0, False
        self._rest = self._read()
        self.sample: Sample = take(self._rest)
        repeats = container.demuxer_of(self.source) == "avi"
        self.pace: Pace = judge(self.track, self.sample, repeats)
        self.clock = Clock(self.pace, self.track.time_base or Fraction(1))

    @property
    def is_cut(self) -> bool:
        """Whether the file ends before its declared end, or reading ended with an error."""
        return self.broken or structure.is_cut(self.path, container.demuxer_of(self.source))

    def frames(self) -> Iterator[Any]:
        """Yields the good frames (PyAV) in order of display; `clock` hears of the others."""
        error = container.library(self.path).error
        for packet in self._all():
            self.packets += bool(packet.size and not packet.is_discard)
            try:
                decoded = packet.decode()
            except EOFError:
                return
            except (error.FFmpegError, OSError):
                self.clock.lose(packet.pts)
                continue
            for frame in decoded:
                if frame.is_corrupt:
                    self.clock.lose(frame.pts)
                else:
                    yield frame

    def _all(self) -> Iterator[Any]:
        held = self.sample.packets
        while held:
            yield held.pop(0)
        yield from self._rest

    def _read(self) -> Iterator[Any]:
        """Yields the packets, the last one empty: it asks the decoder for what it still holds."""
        error = container.library(self.path).error
        try:
            yield from self.source.demux(self.track)
        except (error.FFmpegError, OSError):
            self.broken = True
            yield _flush(self.track)
        except IndexError:  # PyAV, at the end: a track that came too late to be listed
            yield _flush(self.track)


def _flush(track: Any) -> Any:
    from av import Packet

    packet = Packet()
    packet.stream = track
    return packet


def pixels(picture: Any, format: str, path: Path) -> np.ndarray:
    """Returns a frame (PyAV) as uint8 in FFmpeg's pixel format ("rgb24", "gray").

    Colours of a kind that FFmpeg cannot convert are taken for the usual kind.
    """
    error = container.library(path).error
    try:
        return picture.to_ndarray(format=format)
    except (error.FFmpegError, OSError):
        picture.colorspace, picture.color_range = _UNSPECIFIED
    try:
        return picture.to_ndarray(format=format)
    except (error.FFmpegError, OSError, ValueError) as caught:
        rule = f"pixels of format {picture.format.name} cannot be converted to {format}"
        remedy = "Convert it: ffmpeg -i FILE -pix_fmt yuv420p new.mp4"
        raise UserError(path, rule, remedy) from caught


def luma(path: Path) -> Iterator[np.ndarray]:
    """Yields the brightness of the frames as stored, uint8 (h, w)."""
    with container.opened(path) as (source, video):
        for frame in Track(path, source, video).frames():
            yield pixels(frame, "gray", path)
