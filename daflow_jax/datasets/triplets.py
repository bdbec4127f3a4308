"""Vimeo-90K (Xue et al. 2019): triplets, the usual set of interpolation, and septuplets, that of
restoration."""

from collections.abc import Callable, Iterator
from pathlib import Path

from daflow_jax.datasets.clip import Clip
from daflow_jax.datasets.facts import Count, Layout, folders
from daflow_jax.errors import UserError


def _lister(dataset: str, short: str, length: int) -> Callable[[Path], Iterator[Clip]]:
    """Returns what lists the clips of both lists in their order; without lists all there are, as
    train."""
    lists = {split: f"{short}_{split}list.txt" for split in ("train", "test")}

    def clips(root: Path) -> Iterator[Clip]:
        sequences, found = root / "sequences", False
        for split, file in lists.items():
            if (root / file).is_file():
                found = True
                for name in _names(root / file):
                    yield _clip(sequences, name, dataset, split, length)
        if not found:
            for group in folders(sequences):
                for folder in folders(group):
                    yield _clip(sequences, f"{group.name}/{folder.name}", dataset, "train", length)

    return clips


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


def _clip(sequences: Path, name: str, dataset: str, split: str, length: int) -> Clip:
    frames = tuple(sequences / name / f"im{k}.png" for k in range(1, length + 1))
    missing = [path.name for path in frames if not path.is_file()]
    problem = f"has no {' and '.join(missing)}" if missing else ""
    return Clip(name, dataset, split, frames, problem=problem)


VIMEO_TRIPLET = Layout(
    name="vimeo_triplet",
    title="Vimeo-90K triplets",
    download="vimeo_triplet.zip from toflow.csail.mit.edu",
    size="33 GB",
    licence="none stated; frames of videos on vimeo.com",
    tree="sequences/00001/0001/{im1,im2,im3}.png, tri_trainlist.txt, tri_testlist.txt",
    marks=("sequences/*/*/im1.png", "tri_*list.txt"),
    clips=_lister("vimeo_triplet", "tri", 3),
    counts={"train": Count(51312, 153936, 0), "test": Count(3782, 11346, 0)},
)
VIMEO_SEPTUPLET = Layout(
    name="vimeo_septuplet",
    title="Vimeo-90K septuplets",
    download="vimeo_septuplet.zip from toflow.csail.mit.edu",
    size="82 GB",
    licence="none stated; frames of videos on vimeo.com",
    tree="sequences/00001/0001/im1.png ... im7.png, sep_trainlist.txt, sep_testlist.txt",
    marks=("sequences/*/*/im7.png",),
    clips=_lister("vimeo_septuplet", "sep", 7),
    counts={"train": Count(64612, 452284, 0), "test": Count(7824, 54768, 0)},
)
