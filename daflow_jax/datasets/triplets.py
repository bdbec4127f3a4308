"""Vimeo-90K's triplets (Xue et al. 2019): three frames a clip, the usual set of interpolation."""

from collections.abc import Iterator
from pathlib import Path

from daflow_jax.datasets.clip import Clip
from daflow_jax.datasets.facts import Count, Layout, folders
from daflow_jax.errors import UserError

_LISTS = {"train": "tri_trainlist.txt", "test": "tri_testlist.txt"}
_FRAMES = ("im1.png", "im2.png", "im3.png")


def _clips(root: Path) -> Iterator[Clip]:
    """Lists the triplets of both lists in their order; without lists all there are, as train."""
    sequences, found = root / "sequences", False
    for split, file in _LISTS.items():
        if (root / file).is_file():
            found = True
            for name in _names(root / file):
                yield _clip(sequences, name, split)
    if not found:
        for group in folders(sequences):
            for folder in folders(group):
                yield _clip(sequences, f"{group.name}/{folder.name}", "train")


def _names(file: Path) -> list[str]:
    """Returns the lines of a list, "00001/0001"."""
    try:
        lines = file.read_text(encoding="utf-8").split()
    except UnicodeDecodeError:
        raise UserError(file, "not a text file", "Unpack the archive again") from None
    for line in lines:
        if line.startswith("/") or ".." in line.split("/"):
            rule = f"names {line!r:.60}, which does not lie in sequences/"
            raise UserError(file, rule, "Unpack the archive again")
    return lines


def _clip(sequences: Path, name: str, split: str) -> Clip:
    frames = tuple(sequences / name / frame for frame in _FRAMES)
    missing = [path.name for path in frames if not path.is_file()]
    problem = f"has no {' and '.join(missing)}" if missing else ""
    return Clip(name, "vimeo_triplet", split, frames, problem=problem)


VIMEO_TRIPLET = Layout(
    name="vimeo_triplet",
    title="Vimeo-90K triplets",
    download="vimeo_triplet.zip from toflow.csail.mit.edu",
    size="33 GB",
    licence="none stated; frames of videos on vimeo.com",
    tree="sequences/00001/0001/{im1,im2,im3}.png, tri_trainlist.txt, tri_testlist.txt",
    marks=("sequences/*/*/im1.png", "tri_*list.txt"),
    clips=_clips,
    counts={"train": Count(51312, 153936, 0), "test": Count(3782, 11346, 0)},
)
