"""What the methods see and estimate: thumbnails kept during the run, put together for a page.

Only generated clips and thumbnails of Sintel (CC BY 3.0) are kept; frames of other data sets have
other terms.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from matplotlib import layout_engine

from daflow_jax import viz
from daflow_jax.evaluate import degradations, pairs, pictures
from daflow_jax.io import atomic, image
from studies import plots

FREE = {"generated", "sintel"}  # data sets whose frames may be shown
SEVERITIES = (0, 3, 5)
PAIRS, WIDTH = 2, 192  # pairs of a data set, width of a thumbnail
TYPES = ("combined", "low_light", "h264_compression", "realbasicvsr", "motion_blur")
SHOWN = 3  # corruptions on a sheet
NOT_SHOWN = ("zero",)  # white everywhere


def collect(out: Path, data: Any, seen: Any, method: Any, seed: int) -> None:
    """Writes frame, truth and the method's flow of a few pairs as thumbnails, once each."""
    if seen.severity not in SEVERITIES:
        return
    free = [pair for pair in data.pairs if pair.dataset in FREE]
    for pair in _spread(free, PAIRS):
        name = pair.name.replace("/", "_")
        truth, folder = pair.load(), out / "pictures" / data.name / name
        scale = pictures.max_speed(truth.flow, truth.valid)
        own = degradations.seed_of(pair, seed)
        frames, flow = pairs.estimate(pair, truth, method, seen, own)
        here = folder / f"{seen.recipe}-{seen.severity}"
        _write(folder / "truth.png", viz.flow_to_rgb(truth.flow, scale, truth.valid))
        _write(here / "frame.png", frames[0])
        _write(here / f"flow-{method.name}.png", viz.flow_to_rgb(flow, scale))
        error = np.linalg.norm(flow - truth.flow, axis=-1)[truth.valid].mean()
        atomic.write_text(here / f"flow-{method.name}.txt", f"{error:.2f} px")


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """Returns `count` of the items, evenly spread: neighbours are often of one scene."""
    places = {(2 * i + 1) * len(items) // (2 * count) for i in range(count)}
    return [items[place] for place in sorted(places)] if items else []


def _write(path: Path, picture: np.ndarray) -> None:
    height = round(picture.shape[0] * WIDTH / picture.shape[1])
    image.write_image(path, cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA))


def sheet(folder: Path, target: Path, methods: Iterable[str]) -> bool:
    """Returns whether there were pictures in `folder` (OUT/pictures/DATA) to put together.

    A row a pair and condition, clean first: the frame, the truth, each method's flow and error.
    """
    shown = [name for name in methods if name not in NOT_SHOWN]
    kept = {path.parent.name.rpartition("-")[0] for path in folder.glob("*/*-*/frame.png")}
    kept -= {"clean"}
    types = [name for name in (*TYPES, *sorted(kept - set(TYPES))) if name in kept][:SHOWN]
    rows = [
        _row(pair / f"{kind}-{severity}", shown)
        for pair in sorted(folder.glob("*"))
        for kind in ("clean", *types)
        for severity in SEVERITIES
        if (pair / f"{kind}-{severity}").is_dir()
    ]
    if rows:
        _draw(rows, ("frame", "truth", *shown), target)
    return bool(rows)


class Tile(NamedTuple):
    """A picture and what is written into it."""

    picture: np.ndarray
    text: str = ""


def _row(here: Path, shown: Sequence[str]) -> dict[str, Tile]:
    """Returns the tiles of a condition by column; without methods that were not run on it."""
    kind, _, severity = here.name.rpartition("-")
    name = kind.removesuffix("_compression").replace("_", " ")
    row = {
        "frame": Tile(
            image.read_image(here / "frame.png"), f"{name} {severity}".removesuffix(" 0")
        ),
        "truth": Tile(image.read_image(here.parent / "truth.png")),
    }
    for name in shown:
        if (file := here / f"flow-{name}.png").exists():
            row[name] = Tile(image.read_image(file), file.with_suffix(".txt").read_text())
    return row


def _draw(rows: Sequence[dict[str, Tile]], heads: Sequence[str], target: Path) -> None:
    """Writes the sheet as JPEG, names of the columns on top."""
    high, wide = rows[0]["frame"].picture.shape[:2]
    across = 1.3  # inches of a thumbnail
    size = (across * len(heads), across * high / wide * len(rows) + 0.25)
    tight = layout_engine.ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    figure, grid = plots.plt.subplots(
        len(rows), len(heads), figsize=size, squeeze=False, layout=tight
    )
    for axes, head in zip(grid[0], heads, strict=True):
        axes.set_title(head, fontsize=8)
    for line, row in zip(grid, rows, strict=True):
        for axes, head in zip(line, heads, strict=True):
            axes.set_axis_off()
            if head in row:
                axes.imshow(row[head].picture)
                axes.text(0.02, 0.97, row[head].text, transform=axes.transAxes, **_LABEL)
    plots.save(figure, target, dpi=110, pil_kwargs={"quality": 75})


_LABEL: dict[str, Any] = {
    **{"fontsize": 7, "va": "top", "ha": "left", "color": "black"},
    "bbox": {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.0},
}
