"""What a data set is: where it comes from, how large it is, and how its folders lie."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from daflow_jax.datasets.clip import Clip
from daflow_jax.errors import UserError
from daflow_jax.io import image, listing, natural


class Count(NamedTuple):
    """How many clips, frames and forward flows a split has; None = the owner does not say it."""

    clips: int
    frames: int | None
    flows: int


@dataclasses.dataclass(frozen=True)
class Layout:
    """One published data set, or one way to lay out a folder.

    Attributes:
        name: as in `--layout NAME` and `python -m data.build NAME`.
        download: what to get, and where.
        size: bytes of what is downloaded, about.
        licence: the owner's terms, in short; the owner's page holds.
        tree: where the files lie below the root.
        counts: by split; empty where there is no fixed number.
        marks: globs below the root that all match if the layout is this one.
        clips: lists the clips below a root, in a fixed order.
        large: whether building is work for many machines.
    """

    name: str
    title: str
    download: str
    size: str
    licence: str
    tree: str
    marks: tuple[str, ...]
    clips: Callable[[Path], Iterator[Clip]]
    counts: dict[str, Count] = dataclasses.field(default_factory=dict)
    large: bool = False


def folders(root: Path) -> list[Path]:
    """Returns the visible folders in `root` in natural order; [] if there is none."""
    if not root.is_dir():
        return []
    return sorted(listing.folders(root, deep=False), key=natural.key)


def pictures(folder: Path, pattern: str = "*") -> tuple[Path, ...]:
    """Returns the pictures in `folder` whose names match, in natural order."""
    found = (path for path in folder.glob(pattern) if not listing.is_hidden(path.name))
    return tuple(sorted((path for path in found if image.is_image(path)), key=natural.key))


def beside(folder: Path, names: Iterable[str]) -> list[Path | None]:
    """Returns the paths of `names` in an optional folder: all None where it was not downloaded."""
    there = folder.is_dir()
    return [folder / name if there else None for name in names]


def count(clips: Sequence[Clip]) -> dict[str, Count]:
    """Returns the counts by split; frames of videos as their headers say."""
    counts: dict[str, Count] = {}
    for clip in clips:
        number, frames, flows = counts.get(clip.split, Count(0, 0, 0))
        flows += sum(truth is not None for truth in clip.truth)
        counts[clip.split] = Count(number + 1, (frames or 0) + _frames(clip), flows)
    return counts


def _frames(clip: Clip) -> int:
    try:
        return len(clip)
    except UserError:  # a video that cannot be opened: whoever reads it says so
        return 0
