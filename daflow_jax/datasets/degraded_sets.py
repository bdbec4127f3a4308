"""Videos with degraded and clean frames of the same moments: DVD (blur) and CRVD (sensor noise)."""

from collections.abc import Iterator
from pathlib import Path

from daflow_jax.datasets.clip import Clip
from daflow_jax.datasets.facts import Count, Layout, folders, pictures

# the ten that the field tests on
_DVD_TEST = {"720p_240fps_2", *(f"IMG_{n:04d}" for n in (3, 21, 30, 31, 32, 33, 37, 39, 49))}
_CRVD_TRAIN = 6  # indoor scenes 1 to 6; 7 to 11 are the test
_CRVD_FRAMES = 7
_CRVD_CLEAN = "frame{}_clean_and_slightly_denoised.tiff"


def _dvd(root: Path) -> Iterator[Clip]:
    for folder in folders(root / "quantitative_datasets"):
        blurred, clean = pictures(folder / "input"), pictures(folder / "GT")
        names = [[path.name for path in paths] for paths in (blurred, clean)]
        problem = "" if names[0] == names[1] else "input and GT hold different frames"
        split = "test" if folder.name in _DVD_TEST else "train"
        yield Clip(folder.name, "dvd", split, blurred, clean=clean, problem=problem)


def _crvd(root: Path) -> Iterator[Clip]:
    """Lists the first noisy shot of every scene and ISO; raw pictures, grey, 16 bits."""
    for scene in folders(root / "indoor_raw_noisy"):
        for iso in folders(scene):
            clean = root / "indoor_raw_gt" / scene.name / iso.name
            steps = range(1, _CRVD_FRAMES + 1)
            frames = tuple(iso / f"frame{k}_noisy0.tiff" for k in steps)
            truth = tuple(clean / _CRVD_CLEAN.format(k) for k in steps)
            missing = [path.name for path in (*frames, *truth) if not path.is_file()]
            problem = f"has no {missing[0]}" if missing else ""
            split, name = _split(scene.name), f"{scene.name}/{iso.name}"
            yield Clip(name, "crvd", split, frames, clean=truth, problem=problem)


def _split(scene: str) -> str:
    number = scene.removeprefix("scene")
    return "train" if number.isdecimal() and int(number) <= _CRVD_TRAIN else "test"


DVD = Layout(
    name="dvd",
    title="DVD, deep video deblurring",
    download="DeepVideoDeblurring_Dataset.zip from the page of Su et al. (CVPR 2017) at cs.ubc.ca",
    size="3 GB",
    licence="none stated",
    tree="quantitative_datasets/NAME/{input,GT}/00000.jpg",
    marks=("quantitative_datasets/*/GT/*",),
    clips=_dvd,
    counts={"train": Count(61, 5708, 0), "test": Count(10, 1000, 0)},
)
CRVD = Layout(
    name="crvd",
    title="CRVD, captured raw video denoising (indoor)",
    download="links in the readme of github.com/cao-cong/RViDeNet",
    size="10 GB",
    licence="research only",
    tree=(
        "indoor_raw_noisy/scene1/ISO1600/frame1_noisy0.tiff, "
        "indoor_raw_gt/scene1/ISO1600/frame1_clean_and_slightly_denoised.tiff"
    ),
    marks=("indoor_raw_noisy/*/*/*_noisy0.tiff",),
    clips=_crvd,
    counts={"train": Count(30, 210, 0), "test": Count(25, 175, 0)},
)
