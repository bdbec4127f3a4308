"""A RAFT small enough for tests, with random weights, and frames that it can be run on."""

import functools
from pathlib import Path

import cv2
import jax
import numpy as np

from daflow_jax import api, model_folder, models

ITERS = 2


def config():
    """Returns the smallest configuration that still has every part."""
    return models.preset(
        "raft-small", widths=(8, 8, 16, 16), features=16, hidden=16, context=16, radius=2
    )


@functools.cache
def variables():
    """Returns random variables of `config`, the same in every run."""
    rng = np.random.default_rng(0)

    def draw(leaf):
        fan_in = max(int(np.prod(leaf.shape[:-1])), 1)
        return rng.normal(0, fan_in**-0.5, leaf.shape).astype(np.float32)

    return jax.tree.map(draw, model_folder.abstract_variables(config()))


@functools.cache
def model() -> api.Model:
    """Returns one model for all tests, so that its programs are compiled once."""
    return api.Model(config(), variables(), meta={"name": "tiny", "defaults": {"iters": ITERS}})


def save(path: Path) -> Path:
    """Returns the model folder written at `path`."""
    defaults = {"iters": ITERS}
    return model_folder.save(path, config(), variables(), name="tiny", defaults=defaults)


def frames(count: int = 2, height: int = 100, width: int = 120, seed: int = 0) -> np.ndarray:
    """Returns uint8 frames (count, h, w, 3) of smooth noise that moves one pixel a frame."""
    noise = np.random.default_rng(seed).random((height, width + count, 3), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    picture = np.rint(255 * smooth).astype(np.uint8)
    return np.stack([picture[:, i : i + width] for i in range(count)])
