"""Spring, TartanAir and Middlebury: sequences with dense true flow."""

from collections.abc import Iterator
from pathlib import Path

from daflow_jax.datasets.clip import Clip, Truth
from daflow_jax.datasets.facts import Count, Layout, beside, folders, pictures
from daflow_jax.io import listing


def _spring(root: Path) -> Iterator[Clip]:
    for split in ("train", "test"):
        for scene in folders(root / split):
            for side in ("left", "right"):
                frames = pictures(scene / f"frame_{side}")
                if frames:
                    yield _spring_clip(scene, side, split, frames)


def _spring_clip(scene: Path, side: str, split: str, frames: tuple[Path, ...]) -> Clip:
    """Returns the clip of one camera; truth has twice the size of the frames."""

    def truths(direction: str, paths: tuple[Path, ...]) -> tuple[Truth, ...]:
        stem = f"flow_{direction}_{side}"
        if not (scene / stem).is_dir():
            return ()
        names = (f"{stem}_{path.stem.rsplit('_', 1)[-1]}.flo5" for path in paths)
        return tuple(Truth(scene / stem / name, every_second=True) for name in names)

    name = f"{split}/{scene.name}/{side}"
    forward, back = truths("FW", frames[:-1]), truths("BW", frames[1:])
    return Clip(name, "spring", split, frames, forward, back)


def _tartanair(root: Path) -> Iterator[Clip]:
    """Lists the left camera; archives unpack to ENV/ENV/LEVEL or ENV/LEVEL."""
    found = root.glob("**/P[0-9]*/image_left")
    for images in sorted(path for path in found if listing.inside(root, path)):
        scene = images.parent
        frames = pictures(images)
        numbers = [path.stem.split("_")[0] for path in frames]
        stems = [f"{a}_{b}" for a, b in zip(numbers[:-1], numbers[1:], strict=True)]
        flows = scene / "flow"
        truth = ()
        if flows.is_dir():
            has_masks = next(flows.glob("*_mask.npy"), None) is not None
            masks = [flows / f"{stem}_mask.npy" if has_masks else None for stem in stems]
            truth = tuple(
                Truth(flows / f"{stem}_flow.npy", codes=mask)
                for stem, mask in zip(stems, masks, strict=True)
            )
        name = "/".join(scene.parts[-3:])
        yield Clip(name, "tartanair", "train", frames, truth)


def _middlebury(root: Path) -> Iterator[Clip]:
    """Lists the scenes with all their frames; the flow is that of frame10 to frame11."""
    for part, flows, split in (
        ("other-data", "other-gt-flow", "train"),
        ("eval-data", "", "test"),
    ):
        for scene in folders(root / part):
            frames = pictures(scene, "frame*.png")
            truth: list[Truth | None] = [None] * max(len(frames) - 1, 0)
            stems = [path.stem for path in frames]
            flow = beside(root / flows / scene.name, ["flow10.flo"])[0] if flows else None
            if flow and "frame10" in stems[:-1]:
                truth[stems.index("frame10")] = Truth(flow)
            known = tuple(truth) if any(truth) else ()
            yield Clip(f"{part}/{scene.name}", "middlebury", split, frames, known)


SPRING = Layout(
    name="spring",
    title="Spring",
    download="train and test frames and flow from spring-benchmark.org (DaRUS 10.18419/darus-3376)",
    size="about 1 TB with all flow; 64 GB frames of one camera",
    licence="CC BY 4.0",
    tree=(
        "{train,test}/0001/frame_{left,right}/frame_left_0001.png, "
        "train/0001/flow_{FW,BW}_{left,right}/flow_FW_left_0001.flo5"
    ),
    marks=("t*/*/frame_*/frame_*.png",),
    clips=_spring,
    counts={"train": Count(74, 10000, 9926), "test": Count(20, 2000, 0)},
    large=True,
)
TARTANAIR = Layout(
    name="tartanair",
    title="TartanAir",
    download="image_left, flow_flow and flow_mask archives by github.com/castacks/tartanair_tools",
    size="about 1.5 TB for left images, flow and masks (3 TB for everything)",
    licence="CC BY 4.0 (the tools: BSD)",
    tree=(
        "ENV/{Easy,Hard}/P000/image_left/000000_left.png, "
        "ENV/{Easy,Hard}/P000/flow/000000_000001_{flow,mask}.npy"
    ),
    marks=("**/P[0-9]*/image_left",),
    clips=_tartanair,
    counts={"train": Count(369, 306637, 306268)},
    large=True,
)
MIDDLEBURY = Layout(
    name="middlebury",
    title="Middlebury flow",
    download="other-color-allframes, other-gt-flow, eval-color-allframes: vision.middlebury.edu",
    size="60 MB",
    licence="none stated",
    tree="{other,eval}-data/SCENE/frame10.png, other-gt-flow/SCENE/flow10.flo",
    marks=("other-data/*/frame10.png",),
    clips=_middlebury,
    counts={"train": Count(12, None, 8), "test": Count(12, None, 0)},
)
