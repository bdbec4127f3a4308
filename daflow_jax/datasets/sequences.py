"""What a person names on the command line, as sequences of frames.

Two files are a pair; more are a sequence for each folder that they lie in; a folder is its images
in natural order and each of its sub-folders a sequence of its own; a glob (quoted or not), a video,
an animation, a list `@file` of pairs, a pairs folder, and `-` (raw RGB24 on stdin) work as well.
"""

import dataclasses
import glob
import os
from collections.abc import Sequence as Listing
from pathlib import Path

from daflow_jax.datasets import frame_list, loose_files
from daflow_jax.datasets import pairs_folder as pairs
from daflow_jax.datasets.sequence import Sequence, raw_size
from daflow_jax.errors import UserError
from daflow_jax.io import image, listing, natural, video

__all__ = ["Found", "Sequence", "resolve"]


class Found(list[Sequence]):
    """The sequences in order; `note` is one line about what a person should know, or None."""

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

    Errors: what does not exist or holds no picture is a `UserError`, before any frame is read. One
    bad file among many does not end the others: its sequence raises when its frames are asked for.
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
        self._notes: list[str] = []

    def add(self, text: str) -> None:
        path = Path(text)
        if text == "-":
            size = raw_size(self._size)
            self._sequences.append(Sequence("stdin", "stdin", size=size))
        elif text.startswith("@") and not os.path.exists(path):
            self._add_list(Path(text[1:]))
        elif os.path.isdir(path):
            self._add_folder(path)
        elif os.path.lexists(path) or not glob.has_magic(text):
            self._add_file(path)
        else:
            self._add_glob(text)

    def found(self) -> Found:
        self._add_loose()
        if not self._sequences:
            self._refuse()
        found = Found(_unique(self._sequences))
        parts = []
        if self._skipped:
            first = self._skipped[0].name
            parts.append(f"{len(self._skipped)} files that are not images (first: {first})")
        if self._short:
            parts.append(f"{len(self._short)} folders with fewer than {self._least} images")
        notes = [*self._notes, *(["skipped " + " and ".join(parts)] if parts else [])]
        found.note = "; ".join(notes) or None
        return found

    def _refuse(self) -> None:
        if self._short:
            name, count = self._short[0]
            rule = f"{count} image; a sequence needs {self._least}"
            raise UserError(name, rule, "Name two files or more, a folder of frames, or a video")
        where = self._skipped[0] if self._skipped else "inputs"
        known = " ".join((*image.EXTENSIONS, *video.EXTENSIONS))
        raise UserError(where, "no image or video found", f"Known extensions: {known}")

    def _add_images(self, name: str, paths: list[Path], problem: UserError | None = None) -> None:
        if len(paths) < self._least:
            self._short.append((str(paths[0]), len(paths)))
            return
        sequence = Sequence(name, "images", tuple(paths), length=len(paths), problem=problem)
        self._sequences.append(sequence)

    def _add_animation(self, name: str, path: Path, pages: int) -> None:
        self._sequences.append(Sequence(name, "images", (path,), length=pages))

    def _add_video(self, name: str, path: Path, among: bool = False) -> None:
        """Adds a video; one among others that cannot be opened is named when its turn comes."""
        try:
            header = video.info(path)
        except UserError as error:
            if not among:
                raise
            self._sequences.append(Sequence(name, "video", (path,), problem=error))
            return
        self._sequences.append(Sequence(name, "video", (path,), header.fps, None, header.frames))

    def _add_file(self, path: Path) -> None:
        if listing.is_dangling(path):
            image.read_bytes(path)  # says where the link leads
        if not os.path.exists(path):
            raise UserError(path, "not found", "Check the name; folders and quoted globs work too")
        if video.is_video(path):
            self._add_video(path.stem, path)
        elif not image.is_image(path):
            self._skipped.append(path)
        elif (pages := image.count(path)) > 1:
            self._add_animation(path.stem, path, pages)
        else:
            self._loose.append(path)

    def _add_loose(self) -> None:
        for name, paths in loose_files.groups(self._loose, self._notes):
            self._add_images(name, paths, loose_files.problem(paths) if len(paths) > 2 else None)

    def _add_glob(self, text: str) -> None:
        found = map(Path, glob.glob(text, recursive=True))
        asked = set(Path(text).parts)  # a hidden folder that the pattern names is meant
        visible = (
            path
            for path in found
            if not any(listing.is_hidden(p) and p not in asked | {".."} for p in path.parts)
        )
        matches = sorted(visible, key=natural.key)
        if not matches:
            raise UserError(text, "matches no file", "Check the pattern and the folder")
        groups: dict[Path, list[Path]] = {}
        for path in matches:
            if path.is_dir():
                self._add_folder(path)
            elif image.is_image(path):
                groups.setdefault(path.parent, []).append(path)
            elif video.is_video(path):
                self._add_video(path.stem, path, among=len(matches) > 1)
            else:
                self._skipped.append(path)
        for parent, paths in groups.items():
            self._add_pictures(parent.absolute().name or "frames", paths)

    def _add_list(self, path: Path) -> None:
        for files in frame_list.read(path):
            self._add_images(f"{files[0].absolute().parent.name}/{files[0].stem}", files)

    def _add_folder(self, root: Path) -> None:
        base = root.absolute().name or "frames"
        folders = pairs.find_folders(root)
        for folder in folders:
            name = Path(base) / folder.relative_to(root)
            pictures = pairs.pictures(folder)
            frames = [pictures[f"frame{index}"] for index in (1, 2)]
            self._add_images(name.as_posix(), frames)
        if folders:
            return
        children = sorted(listing.folders(root, self._recursive), key=natural.key)
        for folder in [root, *children]:
            self._add_content((Path(base) / folder.relative_to(root)).as_posix(), folder)

    def _add_content(self, name: str, folder: Path) -> None:
        """Adds the images of one folder as a sequence and each of its videos as another."""
        there = (p for p in listing.entries(folder) if p.is_file() or listing.is_dangling(p))
        files = sorted(there, key=natural.key)
        self._add_pictures(name, [path for path in files if image.is_image(path)])
        for path in files:
            if video.is_video(path):
                self._add_video(f"{name}/{path.stem}", path, among=True)
            elif not image.is_image(path):
                self._skipped.append(path)

    def _add_pictures(self, name: str, paths: list[Path]) -> None:
        """Adds the pictures of a folder as one sequence, and each animation as its own."""
        counts = {path: image.count(path) for path in paths}
        for path, pages in counts.items():
            if pages > 1:
                self._add_animation(f"{name}/{path.stem}", path, pages)
        singles = [path for path in paths if counts[path] == 1]
        if singles:
            self._add_images(name, singles, loose_files.problem(singles))


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
