"""A user's own folders: clips of any kind, the contract's pairs, and YouHQ, which is just clips."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from daflow_jax.datasets import pairs_folder
from daflow_jax.datasets.clip import Clip, Truth
from daflow_jax.datasets.facts import Count, Layout, pictures
from daflow_jax.errors import UserError
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image, listing, natural, video


def _videos(dataset: str, split: str) -> Callable[[Path], Iterator[Clip]]:
    """Returns the function that lists every video, and every folder with pictures, as a clip."""

    def clips(root: Path) -> Iterator[Clip]:
        folders: set[Path] = set()
        found: list[tuple[Path, tuple[Path, ...]]] = []
        for path in listing.walk(root):
            if video.is_video(path):
                found.append((path, (path,)))
            elif image.is_image(path):
                folders.add(path.parent)
        for folder in folders:
            frames = pictures(folder)
            found += [(path, (path,)) for path in frames if image.count(path) > 1]
            singles = tuple(path for path in frames if image.count(path) == 1)
            found += [(folder, singles)] if singles else []
        for path, frames in sorted(found, key=lambda item: natural.key(item[0])):
            name = root.name if path == root else path.relative_to(root).as_posix()
            yield Clip(name, dataset, split, frames, problem=_twice(frames))

    return clips


def _twice(frames: tuple[Path, ...]) -> str:
    """Returns what is wrong with frames that are there in two formats, "" if nothing is."""
    twins = listing.twins(frames)
    return f"holds {twins[0].name} and {twins[1].name}, one frame twice" if twins else ""


def _pairs(root: Path) -> Iterator[Clip]:
    """Lists the folders that hold a frame1, a flow or a meta.json, whole or not."""
    folders = listing.find(root, ("meta.json", "frame1.*", "flow.*"))
    for folder in sorted(folders, key=natural.key):
        yield _pair(root, folder)


_STEMS = {f"{stem}{number}" for stem in ("frame", "clean") for number in range(4)}


def _pair(root: Path, folder: Path) -> Clip:
    name = folder.name if folder == root else folder.relative_to(root).as_posix()
    there = pictures(folder)
    by_stem = {path.stem: path for path in there if path.stem in _STEMS}
    twice = _twice(tuple(path for path in there if path.stem in _STEMS))
    numbers = [number for number in range(4) if f"frame{number}" in by_stem]
    meta, problem = _meta(folder)
    problem = problem or twice
    if not {1, 2} <= set(numbers):
        missing = " and ".join(f"frame{n}" for n in (1, 2) if n not in numbers)
        problem = f"has no {missing}"
    elif _flow(folder, "flow") is None:
        problem = "holds no flow file"
    frames = tuple(by_stem[f"frame{number}"] for number in numbers)
    stems = {(0, 1): "flow_prev", (1, 2): "flow", (2, 3): "flow_next"}
    steps = list(zip(numbers[:-1], numbers[1:]))
    truth = tuple(_truth(folder, stems.get(step, "")) for step in steps)
    back = tuple(_truth(folder, "flow_back" if step == (1, 2) else "") for step in steps)
    clean = tuple(by_stem.get(f"clean{number}") for number in numbers)
    return Clip(
        name=name,
        dataset=str(meta.get("dataset") or folder.parent.name),
        split=str(meta.get("split") or "train"),
        frames=frames,
        truth=truth,
        back=back if any(back) else (),
        clean=clean if any(clean) else (),
        problem=problem,
    )


def _meta(folder: Path) -> tuple[dict, str]:
    """Returns the content of meta.json, and what is wrong with it."""
    file = folder / "meta.json"
    if not file.is_file():
        return {}, "has no meta.json"
    try:
        return pairs_folder.read_meta(folder), ""
    except UserError as error:
        return {}, f"meta.json: {error.rule}"


def _flow(folder: Path, stem: str) -> Path | None:
    files = (folder / f"{stem}{extension}" for extension in flow_files.EXTENSIONS)
    return next((path for path in files if stem and os.path.lexists(path)), None)


def _truth(folder: Path, stem: str) -> Truth | None:
    """Returns the truth of one step; the masks of a pair belong to frame1 -> frame2."""
    flow = _flow(folder, stem)
    if flow is None:
        return None
    if stem != "flow":
        return Truth(flow)
    names = ("valid", "occ", "noc", "invalid")
    paths = (folder / f"{name}.png" for name in names)
    valid, occluded, visible, unreliable = (
        path if os.path.lexists(path) else None for path in paths
    )
    return Truth(flow, valid, occluded, None if occluded else visible, unreliable)


PAIRS = Layout(
    name="pairs_folder",
    title="Pairs folder",
    download="your own",
    size="-",
    licence="your own",
    tree=(
        "DATASET/NAME/{frame1,frame2}.png, flow.{flo,png,pfm,npy,npz}, meta.json, maybe frame0, "
        "frame3, flow_back.*, flow_prev.*, flow_next.*, occ.png, noc.png, valid.png, clean1, clean2"
    ),
    marks=("**/meta.json",),
    clips=_pairs,
)
VIDEOS = Layout(
    name="video_folder",
    title="Folder of clips",
    download="your own",
    size="-",
    licence="your own",
    tree="any videos, and any folders with at least two pictures, at every depth",
    marks=(),
    clips=_videos("video_folder", "train"),
)
_YOUHQ = "from github.com/sczhou/Upscale-A-Video (Google Drive)"
YOUHQ = Layout(
    name="youhq",
    title="YouHQ",
    download=f"YouHQ-Train {_YOUHQ}",
    size="not stated; 38,576 clips of about 32 frames of 1080x1920",
    licence="S-Lab License 1.0 (non-commercial)",
    tree="one video or one folder of pictures a clip, at every depth",
    marks=(),
    clips=_videos("youhq", "train"),
    counts={"train": Count(38576, None, 0)},
    large=True,
)
YOUHQ40 = Layout(
    name="youhq40",
    title="YouHQ40",
    download=f"YouHQ40-Test {_YOUHQ}",
    size="not stated; 40 clips of about 32 frames",
    licence="S-Lab License 1.0 (non-commercial)",
    tree="one video or one folder of pictures a clip, at every depth",
    marks=(),
    clips=_videos("youhq40", "test"),
    counts={"test": Count(40, None, 0)},
)
