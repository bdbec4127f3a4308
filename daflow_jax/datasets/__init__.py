"""Known data sets and folders: where their frames, flow and masks lie. Path logic and readers."""

import tarfile
import zipfile
from pathlib import Path

from daflow_jax.datasets import (
    degraded_sets,
    dense_truth,
    driving,
    flying,
    folder,
    labels,
    sintel,
    triplets,
    video_sets,
)
from daflow_jax.datasets.clip import Clip, Motion, Truth, stack_motions
from daflow_jax.datasets.facts import Count, Layout, count
from daflow_jax.datasets.pairs_in_place import PairInPlace, of_clips
from daflow_jax.errors import UserError, nearest
from daflow_jax.io import listing, storage
from daflow_jax.io.storage import Place

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        sintel.SINTEL,
        driving.KITTI2012,
        driving.KITTI2015,
        driving.HD1K,
        flying.CHAIRS,
        flying.THINGS,
        dense_truth.SPRING,
        dense_truth.MIDDLEBURY,
        dense_truth.TARTANAIR,  # after those whose marks are found without walking the whole tree
        triplets.VIMEO_TRIPLET,
        triplets.VIMEO_SEPTUPLET,
        video_sets.DAVIS,
        video_sets.REDS,
        video_sets.SET8,
        video_sets.VID4,
        video_sets.UDM10,
        degraded_sets.DVD,
        degraded_sets.CRVD,
        folder.YOUHQ,
        folder.YOUHQ40,
        folder.PAIRS,
        folder.VIDEOS,
    )
}
MADE = {labels.LABELS.name: labels.LABELS}  # by this package: not to be downloaded or built
ALIASES = {"kitti": "kitti2015", "pairs": "pairs_folder", "videos": "video_folder"}

__all__ = [
    "ALIASES", "LAYOUTS", "MADE", "Clip", "Count", "Layout", "Motion", "PairInPlace", "Truth",
    "count", "detect", "get", "list_clips", "read_pairs", "register", "stack_motions",
]  # fmt: skip


def register(layout: Layout) -> Layout:
    """Adds a layout to those that commands, builders and training know by name; returns it.

    Raises ValueError for a name that another layout has.
    """
    if (LAYOUTS | MADE).get(layout.name, layout) is not layout:
        raise ValueError(f"layout {layout.name!r} is registered already; take another name")
    LAYOUTS[layout.name] = layout
    return layout


def get(name: str) -> Layout:
    """Returns the layout of that name or alias; an unknown one is a `UserError`."""
    found = (LAYOUTS | MADE).get(ALIASES.get(name, name))
    if found is None:
        known = nearest(name, [*LAYOUTS, *MADE, *ALIASES])
        raise UserError("--layout", f"unknown layout {name!r}", known)
    return found


def detect(root: Path) -> Layout:
    """Returns the layout whose marks are found below `root`: a folder of clips if none is."""
    for layout in (*MADE.values(), *LAYOUTS.values()):
        if layout.marks and all(_is_there(root, mark) for mark in layout.marks):
            return layout
    return folder.VIDEOS


def _is_there(root: Path, mark: str) -> bool:
    return any(listing.inside(root, path) for path in root.glob(mark))


def list_clips(root: str | Place, name: str = "auto") -> list[Clip]:
    """Returns the clips below `root`, also in a bucket (`io.storage.outline`); reads names only.

    Args:
        name: a layout, a layout and a split ("sintel:final"), or "auto" to look for the marks.

    Errors: an archive, a folder without clips or without that split is a `UserError`.
    """
    root = _folder(storage.outlined(root))
    name, _, split = name.partition(":")
    layout = detect(root) if name == "auto" else get(name)
    clips = list(layout.clips(root))
    if not clips:
        rule = f"holds no clips of layout {layout.name}: {layout.tree}"
        raise UserError(root, rule, "Check the folder and --layout")
    if not split:
        return clips
    chosen = [clip for clip in clips if clip.split == split]
    if not chosen:
        known = nearest(split, {clip.split for clip in clips})
        raise UserError(f"{layout.name}:{split}", "no such split here", known)
    return chosen


def read_pairs(root: str | Place, name: str) -> list[PairInPlace]:
    """Returns the pairs with known forward flow below `root`; arguments as of `list_clips`."""
    here = storage.outlined(root)
    found = of_clips(here, list_clips(here, name))
    if not found:
        raise UserError(root, f"layout {name} has no true flow here", "Download its flow as well")
    return found


def _folder(root: str | Path) -> Path:
    """Returns the path of a folder; a file is refused, an archive with what to do with it."""
    root = Path(root)
    if root.is_dir():
        return root
    if not root.is_file():
        raise UserError(root, "not found", "Name the folder of the data set")
    if root.suffix.lower() not in (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2"):
        raise UserError(root, "not a folder", "Name the folder of the data set")
    if not _is_whole(root):
        raise UserError(root, "damaged or truncated archive", "Download it again")
    raise UserError(root, "an archive", "Unpack it and name the folder")


def _is_whole(path: Path) -> bool:
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.testzip() is None
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and (file := archive.extractfile(member)):
                    while file.read(1 << 20):
                        pass
            return True
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile):
        return False
