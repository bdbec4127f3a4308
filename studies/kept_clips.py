"""Clips of files, which are made once: all arms of a study learn from the same ones.

A file holds arrays with the clips along the first axis. Frames are bytes there and flow is float16,
which is exact to 1/32 px below 64 px.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax.degrade import pipeline
from daflow_jax.input_pipeline import sources
from daflow_jax.io import atomic
from daflow_jax.synthetic import host, scene

FRAMES, FLOWS = ("hq", "lq"), ("flow", "flow_back")


def generated(
    folder: Path, severity: int, count: int, scenes: scene.SceneConfig, seed: int
) -> Path:
    """Returns the file of `count` clips of the generator's stream `seed`, degraded at a severity.

    The name says the severity, the size and the numbers; `folder` is for one kind of scenes.
    """
    name = f"clips_{scenes.height}x{scenes.width}_{seed}_{severity}_{count}.npz"
    return keep(folder / name, (_clip(scenes, seed, k, severity) for k in range(count)))


def _clip(scenes: scene.SceneConfig, seed: int, index: int, severity: int) -> dict[str, Any]:
    clip = host.clip(scenes, seed, index)
    frames = degraded(clip.pop("hq"), severity, [seed, index, severity])
    return {"lq": frames, **clip}


def degraded(frames: np.ndarray, severity: int, seed: list[int]) -> np.ndarray:
    """Returns frames (f, h, w, 3) in [0, 1] as bytes, all by one recipe; severity 0 is none."""
    pixels = np.round(255 * frames).astype(np.uint8)
    if not severity:
        return pixels
    rng = np.random.default_rng(seed)
    recipe = pipeline.sample_recipe(rng, "clip", (severity, severity), len(pixels), 0.0)
    return pipeline.apply(recipe, pixels)


def estimated(file: Path, name: str, model: Any) -> Path:
    """Returns the file of a model's flow, both ways, of the degraded pairs in `file`."""
    with np.load(file) as clips:
        frames = clips["lq"]
    found = (model(np.stack([first, second, first])) for first, second in frames)
    flows = ({"flow": both[:1], "flow_back": both[1:]} for both in found)
    return keep(file.with_name(f"{file.stem}_{name}.npz"), flows)


def source(name: str, learned: tuple[Path, ...], judged: Path) -> str:
    """Makes `name` a source of `data.name`: clips to learn from, and others to be judged on."""

    def make(config: Any) -> Kept:
        return Kept(judged) if config.seed >= scene.EVAL_SEED else Kept(*learned)

    if name not in sources.SOURCES:
        sources.register(name, make)
    return name


def keep(file: Path, clips: Iterable[dict[str, np.ndarray]]) -> Path:
    """Writes the clips unless the file is there; returns the file.

    Frames are float32 in [0, 1] or bytes, flow is in pixels; what else a clip has is kept as it is.
    """
    if file.is_file():
        return file
    rows: dict[str, list[np.ndarray]] = {}
    for clip in clips:
        for key, value in clip.items():
            rows.setdefault(key, []).append(_small(key, np.asarray(value)))
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(file) as part, open(part, "wb") as stream:
        np.savez(stream, **{key: np.stack(values) for key, values in rows.items()})
    return file


def _small(key: str, value: np.ndarray) -> np.ndarray:
    if key in FRAMES and value.dtype != np.uint8:
        return np.round(255 * value).astype(np.uint8)
    return value.astype(np.float16) if key in FLOWS else value


class Kept:
    """A source of the loader (`sources.Clips`): the clips of files, again and again.

    Arrays of later files replace those of earlier ones. A clip without "hq" is one of degraded
    frames only.
    """

    def __init__(self, *files: Path):
        self._clips: dict[str, np.ndarray] = {}
        for file in files:
            with np.load(file) as arrays:
                self._clips |= dict(arrays)

    def __len__(self) -> int:
        return 2**31 - 1

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = {key: x[int(index) % len(x)] for key, x in self._clips.items()}
        row |= {key: row[key].astype(np.float32) / 255 for key in FRAMES if key in row}
        row |= {key: row[key].astype(np.float32) for key in FLOWS if key in row}
        if "hq" not in row:
            row |= {"hq": row["lq"], "degraded": True}
        return {"index": np.int64(index), **row}
