"""Frames of one size that follow each other, from files, a video, an animation or stdin."""

import dataclasses
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import image, limits, video

USUAL_FPS = 25  # [choice] of frames that come without a rate


@dataclasses.dataclass(frozen=True)
class Sequence:
    """Frames of one size that follow each other.

    Attributes:
        name: where results go below the output folder, unique in one `resolve`, e.g. "clip/left".
        kind: "images", "video" or "stdin".
        paths: the images in order, the one animation, or the one video; empty for stdin.
        fps: frames per second where known.
        size: (width, height) of raw frames on stdin, else None.
        length: number of frames where known; a video's is what its header says.
        problem: why it cannot be read, raised when its frames are asked for; None = nothing known.
    """

    name: str
    kind: str
    paths: tuple[Path, ...] = ()
    fps: float | int | None = None
    size: tuple[int, int] | None = None
    length: int | None = None
    problem: UserError | None = None

    @property
    def is_animation(self) -> bool:
        """Whether the images are the pages of one file."""
        return self.kind == "images" and len(self.paths) == 1 and (self.length or 1) > 1

    @property
    def names(self) -> list[str] | None:
        """The name of each frame without extension, unique; None for video and stdin."""
        if self.kind != "images":
            return None
        if self.is_animation:
            return [f"{self.paths[0].stem}_{index:06d}" for index in range(self.length or 1)]
        stems = [path.stem for path in self.paths]
        if len(set(stems)) < len(stems):
            stems = [f"{index:06d}_{stem}" for index, stem in enumerate(stems)]
        return stems

    def frames(self) -> Iterator[np.ndarray]:
        """Yields RGB frames (h, w, 3), uint8 or uint16, one in memory at a time.

        Frames of different sizes are a `UserError` naming both files.
        """
        if self.problem is not None:
            raise self.problem
        if self.kind == "video":
            return video.frames(self.paths[0])
        if self.kind == "stdin":
            return stdin_frames(raw_size(self.size))
        return self._pages() if self.is_animation else self._images()

    def timed(
        self, deinterlace: bool = False, on_damage: Callable[[video.Damage], None] | None = None
    ) -> Iterator[video.Frame]:
        """Yields the frames of `frames` with number, time and what is missing before them.

        Frames that are not a video's stand at equal distances. The arguments are those of
        `io.video.timed` and count for videos only.
        """
        if self.kind == "video" and self.problem is None:
            yield from video.timed(self.paths[0], deinterlace=deinterlace, on_damage=on_damage)
            return
        step = 1 / Fraction(self.fps or USUAL_FPS)
        for number, pixels in enumerate(self.frames()):
            yield video.Frame(pixels, video.Stamp(number, number * step, step, 0))

    def _images(self) -> Iterator[np.ndarray]:
        return _of_one_size((path, image.read_image(path)) for path in self.paths)

    def _pages(self) -> Iterator[np.ndarray]:
        path = self.paths[0]
        pages = image.decode_all(image.read_bytes(path), path)
        return _of_one_size((f"{path}[{index}]", page) for index, page in enumerate(pages))


def _of_one_size(named: Iterator[tuple[str | Path, np.ndarray]]) -> Iterator[np.ndarray]:
    first, known = "", None
    for name, frame in named:
        if known is None:
            first, known = Path(name).name, frame.shape
        if frame.shape != known:
            rule = (
                f"{frame.shape[1]}x{frame.shape[0]} but {first} is {known[1]}x{known[0]}; "
                "frames of one sequence share a size"
            )
            raise UserError(name, rule, "Resize or split the folder")
        yield frame


def stdin_frames(size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yields raw RGB24 frames of (width, height) from standard input."""
    width, height = size
    need, count = 3 * width * height, 0
    if sys.stdin is None:
        raise UserError("-", "standard input is closed", "Pipe raw RGB24 frames into it")
    if getattr(sys.stdin, "isatty", bool)():
        raise UserError("-", "standard input is a terminal", "Pipe raw RGB24 frames into it")
    while data := sys.stdin.buffer.read(need):
        if len(data) < need:
            rule = f"ends {len(data)} bytes into frame {count}; {width}x{height} has {need}"
            raise UserError("-", rule, "Check --size and -pix_fmt rgb24")
        yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
        count += 1
    if count == 0:
        raise UserError("-", "no frame came on standard input", "Check the program before the pipe")


def raw_size(size: tuple[int, int] | None) -> tuple[int, int]:
    """Returns the (width, height) of raw frames; none, or a senseless one, is a `UserError`."""
    if size is None:
        rule = "raw RGB24 frames on stdin have no size of their own"
        raise UserError("-", rule, "Pass --size WIDTHxHEIGHT")
    width, height = size
    if width < 1 or height < 1:
        raise UserError(f"--size {width}x{height}", "has no pixels", "Pass --size WIDTHxHEIGHT")
    limits.check_size(f"--size {width}x{height}", width, height)
    return size
