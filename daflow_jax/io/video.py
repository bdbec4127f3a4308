"""Video in and out, one frame at a time (PyAV, which brings its own FFmpeg)."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import atomic, image

EXTENSIONS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".gif", ".m4v", ".mpg", ".mpeg")


class Info(NamedTuple):
    """What the header of a video says; `frames` is None where it does not say it."""

    frames: int | None
    height: int
    width: int
    fps: float


def is_video(path: str | Path) -> bool:
    """Returns whether the name of `path` ends like a video."""
    return Path(path).suffix.lower() in EXTENSIONS


def _av(where: object):
    try:
        import av
        import av.error
    except ImportError:
        rule = "video needs the package av"
        raise UserError(where, rule, "Run: pip install av", code=3) from None
    return av


@contextmanager
def _opened(path: str | Path):
    av = _av(path)
    if not Path(path).is_file():
        image.read_bytes(path)  # raises what is wrong with it
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        remedy = "Is it complete? Try: ffmpeg -i FILE -c:v libx264 new.mp4"
        raise UserError(path, "not a readable video", remedy) from error
    with container:
        if not container.streams.video:
            raise UserError(path, "holds no video track", "Name a file with pictures")
        # Decoder threads can wait for each other for ever when a half-read video is closed.
        container.streams.video[0].codec_context.thread_count = 1
        yield container


def info(path: str | Path) -> Info:
    """Returns number of frames (as the header says), size in pixels and frames per second."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        count, seconds = stream.frames or None, _seconds(container, stream)
        if count is None and seconds:
            count = round(seconds * rate) or None
        return Info(count, stream.height, stream.width, rate)


def frames(path: str | Path) -> Iterator[np.ndarray]:
    """Yields the frames as uint8 RGB (h, w, 3), in order of display, at constant memory.

    A video that breaks off is a `UserError` naming the frame: when decoding fails, or when the
    frames end before the number and the duration that the header promises.
    """
    av = _av(path)
    count, end = 0, 0.0
    with _opened(path) as container:
        stream = container.streams.video[0]
        try:
            for frame in container.decode(stream):
                yield frame.to_ndarray(format="rgb24")
                count, end = count + 1, _end(frame)
        except (av.error.FFmpegError, OSError) as error:
            raise _broken(path, count, stream.frames) from error
        if count == 0 or _is_short(container, stream, count, end):
            raise _broken(path, count, stream.frames)


def _end(frame) -> float:
    return (frame.time or 0.0) + float((frame.duration or 0) * (frame.time_base or 0))


def _is_short(container, stream, count: int, end: float) -> bool:
    """Returns whether frames are missing after the last one, which ends at `end` seconds.

    Neither sign is enough alone: cutters leave frames in the file that its edit list skips, and the
    last frame may stand for long. Without a number of frames a second of slack is left.
    """
    if stream.frames and count >= stream.frames:
        return False
    promised = _seconds(container, stream)
    if promised is None:
        return bool(stream.frames)
    slack = 2.5 / float(stream.average_rate or 25) if stream.frames else 1.0
    start = float((stream.start_time or 0) * (stream.time_base or 0))
    return end - start + slack < promised


def _seconds(container, stream) -> float | None:
    """Returns the duration of the track, None where the header does not say it."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if "DURATION" in stream.metadata:  # Matroska: "00:00:04.167000000"
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    alone = container.duration and len(container.streams) == 1
    return container.duration / 1e6 if alone else None


def _broken(path: str | Path, count: int, promised: int = 0) -> UserError:
    of = f" of {promised}" if promised else ""
    remedy = "Copy it again, or cut it: ffmpeg -i FILE -frames:v N new.mp4"
    return UserError(path, f"truncated video, no frame after {count}{of}", remedy)


class Writer:
    """Writes H.264 (.mp4) frame by frame; the file appears under its name when closed.

    Use as a context manager, or call `close`. Leaving the block by an exception removes the part
    written. Odd sizes get one more row or column, a copy of the last, as 4:2:0 needs even ones.

    Args:
        fps: frames per second.
        size: (height, width) of the frames.
    """

    def __init__(self, path: str | Path, fps: float | int, size: tuple[int, int], crf: int = 18):
        av = _av(path)
        self._path, self._size = Path(path), tuple(size)
        self._replacing = atomic.replacing(path)
        part = self._replacing.__enter__()
        try:
            self._container = av.open(str(part), "w")
            self._stream = self._container.add_stream(
                "libx264",
                rate=Fraction(fps).limit_denominator(1001),
                options={"crf": str(crf), "x264-params": "mbtree=0"},  # else files do not repeat
            )
        except BaseException as error:
            self._abandon(error)
            raise
        height, width = size
        self._stream.height, self._stream.width = height + height % 2, width + width % 2
        self._stream.pix_fmt = "yuv420p"
        self._frame = av.VideoFrame

    def write(self, frame: np.ndarray) -> None:
        """Adds one uint8 RGB frame (h, w, 3)."""
        if frame.shape != (*self._size, 3) or frame.dtype != np.uint8:
            rule = f"frame is {frame.dtype} {frame.shape}; this video takes uint8 {self._size}"
            raise ValueError(f"{self._path}: {rule}; resize or convert it")
        height, width = self._size
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        picture = self._frame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        self._mux(picture)

    def close(self) -> None:
        """Finishes the file and gives it its name."""
        self._mux(None)
        try:
            self._container.close()
        except OSError as error:
            self._abandon(error)
            raise atomic.write_error(self._path, error) from error
        self._replacing.__exit__(None, None, None)

    def _mux(self, picture) -> None:
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except OSError as error:
            self._abandon(error)
            raise atomic.write_error(self._path, error) from error

    def _abandon(self, error: BaseException) -> None:
        if hasattr(self, "_container"):
            try:
                self._container.close()
            except OSError:
                pass  # the disk is full already; the first error is the one to report
        try:
            self._replacing.__exit__(type(error), error, error.__traceback__)
        except BaseException as raised:
            if raised is not error:
                raise

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is None:
            self.close()
        else:
            self._abandon(error)
