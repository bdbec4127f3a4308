"""Tracks of a clip in files: arrays, and a video of points with their trails."""

import io
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from daflow_jax import viz
from daflow_jax.io import atomic, video
from daflow_jax.outputs.frame_files import FrameFiles
from daflow_jax.outputs.targets import Existing


def grid(size: tuple[int, int], count: int) -> np.ndarray:
    """Returns points (n, 2) on a grid over (height, width), `count` on the longer side."""
    step = max(size) / count
    x = np.arange(step / 2, size[1], step) - 0.5
    y = np.arange(step / 2, size[0], step) - 0.5
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)


def save(
    path: Path, positions: np.ndarray, visible: np.ndarray, hidden: np.ndarray, frame: int
) -> None:
    """Writes tracks (n, t, 2) of points that were given in a frame, as a compressed .npz."""
    stream = io.BytesIO()
    np.savez_compressed(
        stream, positions=positions, visible=visible, hidden=hidden, frame=np.int32(frame)
    )
    atomic.write_bytes(path, stream.getvalue())


def write_video(
    path: Path,
    frames: Iterable[video.Frame],
    positions: np.ndarray,
    visible: np.ndarray,
    fps: float | int | Fraction | None,
    existing: Existing,
) -> None:
    """Writes the frames with tracks drawn on them."""
    with FrameFiles(path, fps or 25, None, existing) as film:
        for number, frame in enumerate(frames):
            film.write(viz.tracks(frame.pixels, positions, visible, number), frame.stamp)
