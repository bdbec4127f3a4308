"""Writing a video frame by frame, at equal distances or with time stamps, maybe with sound."""

from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import atomic
from daflow_jax.io.video import container
from daflow_jax.io.video.audio import Sound
from daflow_jax.io.video.background import Worker
from daflow_jax.io.video.timing import TICK, Seconds, Timing

_LARGEST = 16384  # pixels a side: the encoder's limit


class Writer:
    """Writes H.264 (.mp4) frame by frame; the file appears under its name when closed.

    Use as a context manager, or call `close`. Leaving the block by an exception removes the part
    written. Odd sizes get one more row or column, a copy of the last, as 4:2:0 needs even ones.
    Frames are encoded in a thread of its own, a few frames behind; its errors are raised by the
    next call.

    Args:
        fps: frames per second; the mean where frames have times.
        size: (height, width) of the frames.
        audio_of: a video whose sound is copied, in time with its pictures.
    """

    def __init__(
        self,
        path: str | Path,
        fps: Seconds,
        size: tuple[int, int],
        crf: int = 18,
        audio_of: str | Path | None = None,
    ):
        av = container.library(path)
        if max(size) > _LARGEST:
            rule = f"frames of {size[1]}x{size[0]} are larger than H.264 takes"
            raise UserError(path, rule, f"Use frames of at most {_LARGEST} pixels a side")
        self._path, self._size = Path(path), tuple(size)
        self._errors = (OSError, av.error.FFmpegError)
        self._picture, self._worker = av.VideoFrame, Worker(self._encode)
        self._rate = Fraction(fps).limit_denominator(1001) or Fraction(1, 1001)
        self._timing: Timing | None = None
        self._sound: Sound | None = None
        self._durations: dict[int, int] = {}
        self._stack: ExitStack | None = ExitStack()
        part = self._stack.enter_context(atomic.replacing(path))
        self._try(lambda: self._open(av, part, crf, audio_of))

    @property
    def note(self) -> str | None:
        """A sentence for the user where the sound cannot be kept, else None."""
        return self._sound.note if self._sound else None

    def write(
        self, frame: np.ndarray, time: Seconds | None = None, duration: Seconds | None = None
    ) -> None:
        """Adds one uint8 RGB frame (h, w, 3).

        Args:
            time: seconds on any clock that increases, for all frames or for none. The first frame
                is shown at 0, or, with sound that begins earlier, where it stood beside it.
            duration: seconds; counts for the last frame only.
        """
        if frame.shape != (*self._size, 3) or frame.dtype != np.uint8:
            rule = f"frame is {frame.dtype} {frame.shape}; this video takes uint8 {self._size}"
            raise ValueError(f"{self._path}: {rule}; resize or convert it")
        height, width = self._size
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        picture = self._picture.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        if self._timing is None:
            self._timing = Timing(self._rate, self._sound, time)
            if self._timing.timed:
                self._stream.codec_context.time_base = TICK
        placed = self._timing.place(time)
        self._try(lambda: self._worker.put((picture, placed, duration)))

    def close(self) -> None:
        """Finishes the file and gives it its name."""
        if self._stack is None:
            return
        self._try(self._finish)
        stack, self._stack = self._stack, None
        try:
            stack.close()  # writes the end, renames
        except self._errors as error:
            raise atomic.write_error(self._path, error) from error  # pyright: ignore

    def _open(self, av: Any, part: Path, crf: int, audio_of: str | Path | None) -> None:
        if "libx264" not in av.codecs_available:
            rule = f"this build of PyAV ({av.__version__}) has no encoder libx264"
            raise UserError(self._path, rule, "Run: pip install --upgrade av", code=3)
        stack = self._stack or ExitStack()
        file = stack.enter_context(open(part, "w+b", opener=atomic.no_link))
        self._container = stack.enter_context(av.open(file, "w"))
        options = {"crf": str(crf), "x264-params": "mbtree=0"}  # else files do not repeat
        self._stream = self._container.add_stream("libx264", rate=self._rate, options=options)
        height, width = self._size
        self._stream.height, self._stream.width = height + height % 2, width + width % 2
        self._stream.pix_fmt = "yuv420p"
        if audio_of is not None:
            self._sound = Sound(audio_of, self._container)
            stack.callback(self._sound.close)

    def _finish(self) -> None:
        self._worker.close()
        for picture in self._timing.rest() if self._timing else ():
            self._mux(picture)
        self._mux(None)
        if self._sound and self._timing:
            self._sound.copy(None, self._timing.origin)

    def _encode(self, item: tuple[Any, Fraction | None, Seconds | None]) -> None:
        if self._timing is not None:
            for picture in self._timing.add(*item):
                self._mux(picture)

    def _mux(self, picture: Any) -> None:
        timed = self._timing is not None and self._timing.timed
        if picture is not None and timed:
            self._durations[picture.pts] = picture.duration
        for packet in self._stream.encode(picture):
            if timed and self._timing is not None:
                packet.duration = self._durations.pop(packet.pts, packet.duration)
                self._copy_sound(packet)
            self._container.mux(packet)

    def _copy_sound(self, packet: Any) -> None:
        if self._sound and self._timing:
            origin = self._timing.origin
            self._sound.copy(origin + packet.dts * packet.time_base, origin)

    def _try(self, action: Callable[[], None]) -> None:
        """Does `action`; on an error removes the part and raises one that names the file."""
        try:
            action()
        except self._errors as error:
            self._abandon(error)
            raise atomic.write_error(self._path, error) from error  # pyright: ignore
        except BaseException as error:
            self._abandon(error)
            raise

    def _abandon(self, error: BaseException) -> None:
        self._worker.stop(drop=True)
        stack, self._stack = self._stack, None
        try:
            if stack is not None:
                stack.__exit__(type(error), error, error.__traceback__)
        except Exception:
            pass  # the disk is full already; the first error is the one to report

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is None:
            self.close()
        else:
            self._abandon(error)
