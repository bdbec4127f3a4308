"""FlyingChairs and FlyingThings3D: the training sets of Freiburg's FlowNet papers."""

from collections.abc import Iterator
from pathlib import Path

from daflow_jax.datasets.clip import Clip, Truth
from daflow_jax.datasets.facts import Count, Layout, folders, pictures

_SPLIT_FILE = "FlyingChairs_train_val.txt"


def _chairs(root: Path) -> Iterator[Clip]:
    """Lists the pairs; the split file's line n is 1 (train) or 2 (val) for pair n."""
    folder = root / "data" if (root / "data").is_dir() else root
    places = [folder / _SPLIT_FILE, root / _SPLIT_FILE, root.parent / _SPLIT_FILE]
    file = next((path for path in places if path.is_file()), None)
    codes = file.read_text(encoding="utf-8").split() if file else []
    for first in pictures(folder, "*_img1.ppm"):
        number = first.stem.removesuffix("_img1")
        index = int(number) - 1 if number.isdecimal() else len(codes)
        split = "val" if index < len(codes) and codes[index] == "2" else "train"
        second = first.with_name(f"{number}_img2.ppm")
        missing = "" if second.is_file() else f"has no {second.name} beside {first.name}"
        truth = (Truth(folder / f"{number}_flow.flo"),)
        yield Clip(number, "chairs", split, (first, second), truth, problem=missing)


def _things(root: Path) -> Iterator[Clip]:
    """Lists the left camera (as RAFT trains), flow in both directions of time."""
    for part in ("TRAIN", "TEST"):
        for render in ("clean", "final"):
            for letter in folders(root / f"frames_{render}pass" / part):
                for scene in folders(letter):
                    yield _things_clip(root, part, render, scene)


def _things_clip(root: Path, part: str, render: str, scene: Path) -> Clip:
    inside = f"{part}/{scene.parent.name}/{scene.name}"
    frames = pictures(scene / "left")
    flows = root / "optical_flow" / inside
    truth, back = (), ()
    if (root / "optical_flow").is_dir():
        truth = tuple(
            Truth(flows / "into_future/left" / f"OpticalFlowIntoFuture_{path.stem}_L.pfm")
            for path in frames[:-1]
        )
        back = tuple(
            Truth(flows / "into_past/left" / f"OpticalFlowIntoPast_{path.stem}_L.pfm")
            for path in frames[1:]
        )
    split = f"{part.lower()}_{render}"
    return Clip(f"{render}/{inside}", f"things-{render}", split, frames, truth, back)


_SITE = "lmb.informatik.uni-freiburg.de/resources/datasets"

CHAIRS = Layout(
    name="chairs",
    title="FlyingChairs",
    download=f"FlyingChairs.zip and {_SPLIT_FILE} from {_SITE}/FlyingChairs.en.html",
    size="31 GB",
    licence="research only",
    tree=f"data/00001_{{img1.ppm,img2.ppm,flow.flo}}, {_SPLIT_FILE}",
    marks=("data/*_img1.ppm",),
    clips=_chairs,
    counts={"train": Count(22232, 44464, 22232), "val": Count(640, 1280, 640)},
)
THINGS = Layout(
    name="things",
    title="FlyingThings3D",
    download=f"RGB images (clean, final) and optical flow from {_SITE}/SceneFlowDatasets.en.html",
    size="about 400 GB (images as PNG 37 + 43 GB packed, flow 311 GB)",
    licence="research only",
    tree=(
        "frames_{clean,final}pass/{TRAIN,TEST}/A/0000/left/0006.png, optical_flow/TRAIN/A/0000/"
        "into_{future,past}/left/OpticalFlowInto{Future,Past}_0006_L.pfm"
    ),
    marks=("frames_*pass/*/*/*/left",),
    clips=_things,
    counts={
        f"{part}_{render}": Count(scenes, 10 * scenes, 9 * scenes)
        for part, scenes in (("train", 2239), ("test", 437))
        for render in ("clean", "final")
    },
)
