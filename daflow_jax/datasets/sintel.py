"""MPI-Sintel: an animated film with true flow, rendered clean and final (Butler et al. 2012)."""

from collections.abc import Iterator
from pathlib import Path

from daflow_jax.datasets.clip import Clip, Truth
from daflow_jax.datasets.facts import Count, Layout, beside, folders, pictures


def _clips(root: Path) -> Iterator[Clip]:
    for part, prefix in (("training", ""), ("test", "test_")):
        for render in ("clean", "final"):
            for scene in folders(root / part / render):
                frames = pictures(scene, "frame_*.png")
                truth = _truth(root / part, scene.name, frames)
                name = f"{part}/{render}/{scene.name}"
                yield Clip(name, f"sintel-{render}", prefix + render, frames, truth)


def _truth(base: Path, scene: str, frames: tuple[Path, ...]) -> tuple[Truth | None, ...]:
    """Returns the truth of each pair; occlusions and invalid pictures are separate downloads."""
    if not (base / "flow").is_dir():
        return ()
    stems = [path.stem for path in frames[:-1]]
    masks = (
        beside(base / kind / scene, [f"{stem}.png" for stem in stems])
        for kind in ("occlusions", "invalid")
    )
    return tuple(
        Truth(base / "flow" / scene / f"{stem}.flo", occluded=occluded, unreliable=unreliable)
        for stem, occluded, unreliable in zip(stems, *masks, strict=True)
    )


SINTEL = Layout(
    name="sintel",
    title="MPI-Sintel",
    download="MPI-Sintel-complete.zip from sintel.is.tue.mpg.de/downloads",
    size="5.6 GB",
    licence="film frames CC BY 3.0 (Blender Foundation); flow for research, see the site",
    tree=(
        "training/{clean,final}/SCENE/frame_0001.png, training/flow/SCENE/frame_0001.flo, "
        "training/{occlusions,invalid}/SCENE/frame_0001.png, test/{clean,final}/SCENE/"
    ),
    marks=("training/*/*/frame_*.png",),
    clips=_clips,
    counts={
        "clean": Count(23, 1064, 1041),
        "final": Count(23, 1064, 1041),
        "test_clean": Count(12, 564, 0),
        "test_final": Count(12, 564, 0),
    },
)
