"""What a person names on the command line, as sequences of frames.

Two files are a pair; more are a sequence in the order given; a folder is its images in natural
order and each of its sub-folders a sequence of its own; a glob (quoted or not), a video, a list
`@file` of pairs, a pairs folder, and `-` (raw RGB24 on stdin) work as well.
"""

import dataclasses
import glob
import sys
from collections.abc import Iterator
from collections.abc import Sequence as Listing
from pathlib import Path

import numpy as np

from daflow_jax.datasets import pairs_folder as pairs
from daflow_jax.errors import UserError
from daflow_jax.io import image, natural, video


@dataclasses.dataclass(frozen=True)
class Sequence:
    """Frames of one size that follow each other.

    Attributes:
        name: where results go below the output folder, unique in one `resolve`, e.g. "clip/left".
        kind: "images", "video" or "stdin".
        paths: the images in order, or the one video; empty for stdin.
        fps: frames per second where known.
        size: (width, height) of raw frames on stdin, else None.
        length: number of frames where known; a video's is what its header says.
    """

    name: str
    kind: str
    paths: tuple[Path, ...] = ()
    fps: float | int | None = None
    size: tuple[int, int] | None = None
    length: int | None = None

    @property
    def names(self) -> list[str] | None:
        """The name of each frame without extension, unique; None for video and stdin."""
        if self.kind != "images":
            return None
        stems = [path.stem for path in self.paths]
        if len(set(stems)) < len(stems):
            stems = [f"{index:06d}_{stem}" for index, stem in enumerate(stems)]
        return stems

    def frames(self) -> Iterator[np.ndarray]:
        """Yields RGB frames (h, w, 3), uint8 or uint16, one in memory at a time.

        Frames of different sizes are a `UserError` naming both files.
        """
        if self.kind == "video":
            return video.frames(self.paths[0])
        return self._stdin() if self.kind == "stdin" else self._images()

    def _images(self) -> Iterator[np.ndarray]:
        first = None
        for path in self.paths:
            frame = image.read_image(path)
            first = first or frame.shape
            if frame.shape != first:
                rule = (
                    f"{frame.shape[1]}x{frame.shape[0]} but {self.paths[0].name} is "
                    f"{first[1]}x{first[0]}; frames of one sequence share a size"
                )
                raise UserError(path, rule, "Resize or split the folder")
            yield frame

    def _stdin(self) -> Iterator[np.ndarray]:
        width, height = _raw_size(self.size)
        need, count = 3 * width * height, 0
        while data := sys.stdin.buffer.read(need):
            if len(data) < need:
                rule = f"ends {len(data)} bytes into frame {count}; {width}x{height} has {need}"
                raise UserError("-", rule, "Check --size and -pix_fmt rgb24")
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
            count += 1


class Found(list[Sequence]):
    """The sequences in order; `note` is one line about what was skipped, or None."""

    note: str | None = None


def resolve(
    inputs: Listing[str],
    recursive: bool = False,
    size: tuple[int, int] | None = None,
    least: int = 2,
) -> Found:
    """Returns the sequences that the inputs name, each with at least `least` frames.

    Args:
        recursive: sub-folders at every depth, not only the first.
        size: (width, height) of raw frames, for the input "-".

    Errors: what does not exist or holds no picture is a `UserError`, before any frame is read.
    """
    search = _Search(recursive, size, least)
    for text in inputs:
        search.add(str(text))
    return search.found()


class _Search:
    """Collects sequences, loose images and what was skipped."""

    def __init__(self, recursive: bool, size: tuple[int, int] | None, least: int):
        self._recursive, self._size, self._least = recursive, size, least
        self._sequences: list[Sequence] = []
        self._loose: list[Path] = []
        self._skipped: list[Path] = []
        self._short: list[tuple[str, int]] = []

    def add(self, text: str) -> None:
        path = Path(text)
        if text == "-":
            self._add_stdin()
        elif text.startswith("@") and not path.exists():
            self._add_list(Path(text[1:]))
        elif path.is_dir():
            self._add_folder(path)
        elif path.exists() or not glob.has_magic(text):
            self._add_file(path)
        else:
            self._add_glob(text)

    def found(self) -> Found:
        if self._loose:
            name = self._loose[0].absolute().parent.name or "frames"
            self._add_images(name, self._loose)
        if not self._sequences:
            self._refuse()
        found = Found(_unique(self._sequences))
        parts = []
        if self._skipped:
            first = self._skipped[0].name
            parts.append(f"{len(self._skipped)} files that are no images (first: {first})")
        if self._short:
            parts.append(f"{len(self._short)} folders with fewer than {self._least} images")
        found.note = "skipped " + " and ".join(parts) if parts else None
        return found

    def _refuse(self) -> None:
        if self._short:
            name, count = self._short[0]
            rule = f"{count} image; a sequence needs {self._least}"
            raise UserError(name, rule, "Name two files or more, a folder of frames, or a video")
        where = self._skipped[0] if self._skipped else "inputs"
        known = " ".join((*image.EXTENSIONS, *video.EXTENSIONS))
        raise UserError(where, "no image or video found", f"Known extensions: {known}")

    def _add_stdin(self) -> None:
        self._sequences.append(Sequence("stdin", "stdin", size=_raw_size(self._size)))

    def _add_images(self, name: str, paths: list[Path]) -> None:
        if len(paths) < self._least:
            self._short.append((str(paths[0]), len(paths)))
        else:
            self._sequences.append(Sequence(name, "images", tuple(paths), length=len(paths)))

    def _add_video(self, name: str, path: Path) -> None:
        header = video.info(path)
        self._sequences.append(Sequence(name, "video", (path,), header.fps, None, header.frames))

    def _add_file(self, path: Path) -> None:
        if not path.exists():
            raise UserError(path, "not found", "Check the name; folders and quoted globs work too")
        if video.is_video(path):
            self._add_video(path.stem, path)
        elif image.is_image(path):
            self._loose.append(path)
        else:
            self._skipped.append(path)

    def _add_glob(self, text: str) -> None:
        matches = sorted(map(Path, glob.glob(text, recursive=True)), key=natural.key)
        if not matches:
            raise UserError(text, "matches no file", "Check the pattern and the folder")
        groups: dict[Path, list[Path]] = {}
        for path in matches:
            if path.is_dir():
                self._add_folder(path)
            elif image.is_image(path):
                groups.setdefault(path.parent, []).append(path)
            else:
                self._add_file(path)
        for parent, paths in groups.items():
            self._add_images(parent.absolute().name or "frames", paths)

    def _add_list(self, path: Path) -> None:
        try:
            lines = image.read_bytes(path).decode().splitlines()
        except UnicodeDecodeError:
            raise UserError(path, "not a text file", 'Write lines "frame1 frame2"') from None
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            files = [path.parent / word for word in line.split()]
            if len(files) < 2:
                raise UserError(f"{path}:{number}", "one file; a line names two", "Add the second")
            for file in files:
                if not file.is_file():
                    raise UserError(f"{path}:{number}", f"{file} not found", "Check the name")
            self._add_images(f"{files[0].absolute().parent.name}/{files[0].stem}", files)

    def _add_folder(self, root: Path) -> None:
        base = root.absolute().name or "frames"
        folders = pairs.find_folders(root)
        for folder in folders:
            name = Path(base) / folder.relative_to(root)
            frames = [next(folder.glob(f"frame{index}.*")) for index in (1, 2)]
            self._add_images(name.as_posix(), frames)
        if folders:
            return
        below = root.rglob("*") if self._recursive else root.iterdir()
        children = sorted((path for path in below if path.is_dir()), key=natural.key)
        for folder in [root, *children]:
            self._add_content((Path(base) / folder.relative_to(root)).as_posix(), folder)

    def _add_content(self, name: str, folder: Path) -> None:
        """Adds the images of one folder as a sequence and each of its videos as another."""
        visible = (path for path in folder.iterdir() if not path.name.startswith("."))
        files = sorted((path for path in visible if path.is_file()), key=natural.key)
        images = [path for path in files if image.is_image(path)]
        if images:
            self._add_images(name, images)
        for path in files:
            if video.is_video(path):
                self._add_video(f"{name}/{path.stem}", path)
            elif not image.is_image(path):
                self._skipped.append(path)


def _raw_size(size: tuple[int, int] | None) -> tuple[int, int]:
    if size is None:
        rule = "raw RGB24 frames on stdin have no size of their own"
        raise UserError("-", rule, "Pass --size WIDTHxHEIGHT")
    return size


def _unique(found: list[Sequence]) -> list[Sequence]:
    """Returns the sequences with "_2", "_3" ... after names that came before."""
    seen: set[str] = set()
    renamed = []
    for sequence in found:
        name, number = sequence.name, 1
        while name in seen:
            number += 1
            name = f"{sequence.name}_{number}"
        seen.add(name)
        renamed.append(dataclasses.replace(sequence, name=name))
    return renamed
