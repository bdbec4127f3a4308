"""What lies in a folder for a person: hidden files and what programs leave behind are skipped."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

_LEFT_BEHIND = {  # by file browsers, network storage, notebooks and version control
    "@eadir", "@recycle", "#recycle", "__macosx", "__pycache__", "$recycle.bin", "lost+found",
    "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r",
}  # fmt: skip


def is_hidden(name: str) -> bool:
    """Returns whether a file or folder of this name is none that a person put there."""
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def inside(root: Path, path: Path) -> bool:
    """Returns whether no part of `path` below `root` is hidden; the root itself may be."""
    return not any(is_hidden(part) for part in path.relative_to(root).parts)


def entries(folder: Path) -> list[Path]:
    """Returns the visible files and folders in `folder`, in no order."""
    return [path for path in folder.iterdir() if not is_hidden(path.name)]


def walk(root: Path) -> Iterator[Path]:
    """Yields the visible files below `root`, in no order; links to folders are not followed."""
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if not is_hidden(name)]
        yield from (Path(folder, name) for name in files if not is_hidden(name))


def folders(root: Path, deep: bool) -> list[Path]:
    """Returns the visible folders in `root`, at every depth if `deep`, in no order.

    A link back to the root or to a folder above it is left out.
    """
    if not deep:
        here = root.resolve()
        below = (path for path in entries(root) if path.is_dir())
        return [path for path in below if not here.is_relative_to(path.resolve())]
    found = []
    for folder, inner, _ in os.walk(root):
        inner[:] = [name for name in inner if not is_hidden(name)]
        found += [Path(folder, name) for name in inner]
    return found


def find(root: Path, names: Iterable[str]) -> set[Path]:
    """Returns the folders at or below `root` that hold a file whose name matches one of `names`.

    A name is whole ("meta.json") or a stem with any extension ("frame1.*").
    """
    whole = {name for name in names if not name.endswith(".*")}
    stems = {name[:-2] for name in names if name.endswith(".*")}
    return {p.parent for p in walk(root) if p.name in whole or p.name.split(".")[0] in stems}


def twins(paths: Iterable[Path]) -> tuple[Path, Path] | None:
    """Returns two files that differ in their extension alone, None if there are none."""
    seen: dict[str, Path] = {}
    for path in paths:
        if path.stem in seen:
            return seen[path.stem], path
        seen[path.stem] = path
    return None


def gap(paths: Sequence[Path]) -> tuple[Path, Path] | None:
    """Returns the two files around the first hole in a numbering that mostly goes by one."""
    numbers = [re.findall(r"\d+", path.stem) for path in paths]
    if not all(found and len(found[-1]) <= 18 for found in numbers):  # fits 64 bits
        return None
    steps = np.diff([int(found[-1]) for found in numbers])
    if np.median(steps) != 1:
        return None
    wrong = np.flatnonzero(steps != 1)
    return (paths[wrong[0]], paths[wrong[0] + 1]) if wrong.size else None


def is_dangling(path: Path) -> bool:
    """Returns whether `path` is a link that leads nowhere."""
    return os.path.islink(path) and not os.path.exists(path)
