"""Contact sheets of estimates beside the truth."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import viz


def max_speed(flow: np.ndarray, valid: np.ndarray) -> float:
    """Returns the speed of full colour for a true flow: its 99th percentile, at least 1 px."""
    speeds = np.linalg.norm(flow, axis=-1)[valid]
    return max(float(np.quantile(speeds, 0.99)), 1.0) if speeds.size else 1.0


def comparison(frames: np.ndarray, truth: Any, flow: np.ndarray) -> np.ndarray:
    """Returns both frames and the truth above the estimate and its error, uint8 (h, w, 3).

    All are at one colour scale. `truth` is a `pairs_folder.LoadedPair`, `flow` (h, w, 2) pixels.
    """
    scale = max_speed(truth.flow, truth.valid)
    rows = [
        [frames[0], frames[1], viz.flow_to_rgb(truth.flow, scale, truth.valid)],
        [
            viz.flow_to_rgb(flow, scale),
            viz.error_to_rgb(flow, truth.flow, truth.valid, max_error=scale),
        ],
    ]
    return viz.sheet(rows)


def write(folder: Path, worst: Iterable[Any]) -> None:
    """Writes the pictures of `Results.worst` as RANK_NAME_DEGRADATION.png."""
    from daflow_jax.io import image

    for rank, each in enumerate(worst, 1):
        label = f"{each.name}_{each.degradation}".replace(":", "").replace("/", "_")
        image.write_image(folder / f"{rank}_{label}.png", each.picture)
