"""Contact sheets of estimates beside the truth."""

from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import viz
from daflow_jax.io import image


def max_speed(flow: np.ndarray, valid: np.ndarray) -> float:
    """Returns the speed of full colour for a true flow: its 99th percentile, at least 1 px."""
    speeds = np.linalg.norm(flow, axis=-1)[valid]
    return max(float(np.quantile(speeds, 0.99)), 1.0) if speeds.size else 1.0


def write_comparison(path: Path, frames: np.ndarray, truth: Any, flow: np.ndarray) -> None:
    """Writes both frames and the truth above the estimate and its error, at one colour scale."""
    scale = max_speed(truth.flow, truth.valid)
    rows = [
        [frames[0], frames[1], viz.flow_to_rgb(truth.flow, scale, truth.valid)],
        [
            viz.flow_to_rgb(flow, scale),
            viz.error_to_rgb(flow, truth.flow, truth.valid, max_error=scale),
        ],
    ]
    image.write_image(path, viz.sheet(rows))
