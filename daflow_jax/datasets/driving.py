"""KITTI 2012, KITTI 2015 and HD1K: drives with sparse true flow in 16-bit pictures."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from daflow_jax.datasets.clip import Clip, Truth
from daflow_jax.datasets.facts import Count, Layout, pictures


def _kitti(name: str, camera: str) -> Callable[[Path], Iterator[Clip]]:
    def clips(root: Path) -> Iterator[Clip]:
        for part, split in (("training", "train"), ("testing", "test")):
            for first in pictures(root / part / camera, "*_10.png"):
                yield _pair(root / part, first, name, split)

    return clips


def _pair(base: Path, first: Path, dataset: str, split: str) -> Clip:
    number = first.stem.removesuffix("_10")
    truth = ()
    if (base / "flow_occ").is_dir():
        noc = base / "flow_noc" / first.name
        visible = noc if noc.parent.is_dir() else None
        truth = (Truth(base / "flow_occ" / first.name, visible=visible),)
    frames = (first, first.with_name(f"{number}_11.png"))
    missing = "" if frames[1].is_file() else f"has no {frames[1].name} beside {first.name}"
    return Clip(f"{base.name}/{number}", dataset, split, frames, truth, problem=missing)


def _hd1k(root: Path) -> Iterator[Clip]:
    sequences: dict[str, list[Path]] = {}
    for path in pictures(root / "hd1k_input" / "image_2"):
        found = re.match(r"(\d+)_\d+$", path.stem)
        if found:
            sequences.setdefault(found[1], []).append(path)
    flows = root / "hd1k_flow_gt" / "flow_occ"
    for number, frames in sequences.items():
        truth = tuple(Truth(flows / path.name) for path in frames[:-1]) if flows.is_dir() else ()
        yield Clip(number, "hd1k", "train", tuple(frames), truth)


_LICENCE = "CC BY-NC-SA 3.0"
_SCENES = "devkit, image and flow archives from cvlibs.net/datasets/kitti (registration)"

KITTI2012 = Layout(
    name="kitti2012",
    title="KITTI flow 2012",
    download=f"data_stereo_flow.zip: {_SCENES}",
    size="2 GB",
    licence=_LICENCE,
    tree="{training,testing}/colored_0/000000_{10,11}.png, training/flow_{occ,noc}/000000_10.png",
    marks=("training/colored_0/*_10.png",),
    clips=_kitti("kitti2012", "colored_0"),
    counts={"train": Count(194, 388, 194), "test": Count(195, 390, 0)},
)
KITTI2015 = Layout(
    name="kitti2015",
    title="KITTI scene flow 2015",
    download=f"data_scene_flow.zip: {_SCENES}",
    size="2 GB",
    licence=_LICENCE,
    tree="{training,testing}/image_2/000000_{10,11}.png, training/flow_{occ,noc}/000000_10.png",
    marks=("training/image_2/*_10.png",),
    clips=_kitti("kitti2015", "image_2"),
    counts={"train": Count(200, 400, 200), "test": Count(200, 400, 0)},
)
HD1K = Layout(
    name="hd1k",
    title="HD1K",
    download="hd1k_input.zip and hd1k_flow_gt.zip from hci-benchmark.iwr.uni-heidelberg.de",
    size="9 GB",
    licence="CC BY-NC-SA 4.0",
    tree="hd1k_input/image_2/000000_0000.png, hd1k_flow_gt/flow_occ/000000_0000.png",
    marks=("hd1k_input/image_2/*.png",),
    clips=_hd1k,
    counts={"train": Count(36, 1083, 1047)},
)
