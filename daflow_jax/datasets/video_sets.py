"""Videos that restorers are trained and tested on: DAVIS, REDS, Set8, Vid4, UDM10."""

from collections.abc import Callable, Iterator
from pathlib import Path

from daflow_jax.datasets.clip import Clip
from daflow_jax.datasets.facts import Count, Layout, folders, pictures

REDS4 = ("000", "011", "015", "020")  # training clips that the field tests on
_DAVIS_LISTS = {"train": "train", "val": "train", "test-dev": "test", "test-challenge": "challenge"}


def _davis(root: Path) -> Iterator[Clip]:
    """Lists the clips; "train" is trainval, as denoisers use it, "test" is test-dev."""
    lists = root / "ImageSets" / "2017"
    splits = {
        name: split
        for file, split in _DAVIS_LISTS.items()
        for name in _words(lists / f"{file}.txt")
    }
    for folder in folders(root / "JPEGImages" / "480p"):
        yield Clip(folder.name, "davis", splits.get(folder.name, "train"), pictures(folder))


def _words(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").split() if file.is_file() else []


def _reds(root: Path) -> Iterator[Clip]:
    """Lists the sharp clips; "train" is train and val without the four of "reds4"."""
    for part in ("train", "val"):
        for folder in folders(root / f"{part}_sharp"):
            tested = part == "train" and folder.name in REDS4
            split = "reds4" if tested else "train"
            yield Clip(f"{part}/{folder.name}", "reds", split, pictures(folder))


def _set8(root: Path) -> Iterator[Clip]:
    for folder in folders(root):
        yield Clip(folder.name, "set8", "test", pictures(folder))


def _grown(dataset: str) -> Callable[[Path], Iterator[Clip]]:
    """Returns what lists GT/NAME as "gt", and small frames of BIx4 and BDx4 with their clean ones
    as "bi" and "bd"."""

    def clips(root: Path) -> Iterator[Clip]:
        for folder in folders(root / "GT"):
            yield Clip(f"GT/{folder.name}", dataset, "gt", pictures(folder))
        for kind in ("BI", "BD"):
            for folder in folders(root / f"{kind}x4"):
                frames, clean = pictures(folder), pictures(root / "GT" / folder.name)
                wrong = f"holds {len(frames)} frames, GT has {len(clean)}"
                problem = "" if len(frames) == len(clean) else wrong
                name, split = f"{kind}x4/{folder.name}", kind.lower()
                yield Clip(name, dataset, split, frames, clean=clean, problem=problem)

    return clips


_GROWN = "GT/NAME/000.png, maybe BIx4/NAME/000.png, BDx4/NAME/000.png"
_COPIES = "links in the readme of github.com/JingyunLiang/VRT"

DAVIS = Layout(
    name="davis",
    title="DAVIS 2017, 480p",
    download="DAVIS-2017-trainval-480p and test-dev-480p from davischallenge.org",
    size="1.2 GB",
    licence="CC BY-NC 4.0 (annotations); see the owner's page",
    tree="JPEGImages/480p/NAME/00000.jpg, ImageSets/2017/{train,val,test-dev}.txt",
    marks=("JPEGImages/480p/*", "ImageSets/2017/*.txt"),
    clips=_davis,
    counts={"train": Count(90, 6208, 0), "test": Count(30, None, 0)},
)
REDS = Layout(
    name="reds",
    title="REDS",
    download="train_sharp and val_sharp from seungjunnah.github.io/Datasets/reds",
    size="35 GB",
    licence="CC BY 4.0",
    tree="{train,val}_sharp/000/00000000.png",
    marks=("*_sharp/000/*.png",),
    clips=_reds,
    counts={"train": Count(266, 26600, 0), "reds4": Count(4, 400, 0)},
)
SET8 = Layout(
    name="set8",
    title="Set8",
    download="links in the readme of github.com/m-tassano/fastdvdnet",
    size="1 GB",
    licence="four clips of Derf's collection, four of GoPro; none stated",
    tree="NAME/000.png, NAME one of tractor, touchdown, park_joy, sunflower, hypersmooth, ...",
    marks=("tractor/*", "sunflower/*"),
    clips=_set8,
    counts={"test": Count(8, None, 0)},
)
VID4 = Layout(
    name="vid4",
    title="Vid4",
    download=_COPIES,
    size="100 MB",
    licence="none stated",
    tree=_GROWN,
    marks=("GT/calendar/*",),
    clips=_grown("vid4"),
    counts={"gt": Count(4, 171, 0)},
)
UDM10 = Layout(
    name="udm10",
    title="UDM10",
    download=_COPIES,
    size="400 MB",
    licence="none stated",
    tree=_GROWN,
    marks=("GT/archpeople/*",),
    clips=_grown("udm10"),
    counts={"gt": Count(10, 320, 0)},
)
