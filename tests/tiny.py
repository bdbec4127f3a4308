"""A RAFT small enough for tests, with random weights, and frames that it can be run on."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import cv2
import jax
import numpy as np

from daflow_jax import api, models, pretrained

ITERS = 2


def config():
    """Returns the smallest configuration that still has every part."""
    return models.preset(
        "raft-small", widths=(8, 8, 16, 16), features=16, hidden=16, context=16, radius=2
    )


@functools.cache
def variables():
    """Returns random variables of `config`, the same in every run."""
    return jax.tree.map(_drawn(np.random.default_rng(0)), pretrained.abstract_variables(config()))


def _drawn(rng):
    def draw(leaf):
        fan_in = max(int(np.prod(leaf.shape[:-1])), 1)
        return rng.normal(0, fan_in**-0.5, leaf.shape).astype(np.float32)

    return draw


@functools.cache
def model() -> api.FlowModel:
    """Returns one model for all tests, so that its programs are compiled once."""
    return api.FlowModel(config(), variables(), meta={"name": "tiny", "defaults": {"iters": ITERS}})


def save(path: Path) -> Path:
    """Returns the model folder written at `path`."""
    defaults = {"iters": ITERS}
    return pretrained.save(path, config(), variables(), name="tiny", defaults=defaults)


def daflow_config():
    """Returns a DA-Flow around `config`, with a backbone of four small blocks."""
    small = {"depth": 5, "heads": 2, "head_dim": 8, "text_width": 8, "pooled_width": 8}
    return dataclasses.replace(
        models.preset(
            "daflow-nano",
            **{f"backbone.dit.{name}": value for name, value in small.items()},
            **{"backbone.dit.taps": (0, 1, 2, 3)},
        ),
        flow=config(),
        matching_features=8,
        context_features=8,
        channels=(8, 8, 8, 8),
    )


def daflow_variables():
    """Returns random variables of `daflow_config`, the same in every run."""
    abstract = pretrained.abstract_variables(daflow_config())
    return jax.tree.map(_drawn(np.random.default_rng(0)), abstract)


def save_daflow(path: Path) -> Path:
    """Returns the model folder of a DA-Flow with random weights written at `path`."""
    defaults = {"iters": ITERS}
    given = daflow_config(), daflow_variables()
    return pretrained.save(path, *given, name="tiny-da", defaults=defaults)


def save_restorer(path: Path, config: Any = None) -> Path:
    """Returns the folder of a restorer with random weights, as in `daflow_config` by default."""
    config = config or daflow_config().backbone
    abstract = pretrained.abstract_variables(config)
    values = jax.tree.map(_drawn(np.random.default_rng(0)), abstract)
    return pretrained.save(path, config, values, name="tiny-restorer")


def frames(count: int = 2, height: int = 100, width: int = 120, seed: int = 0) -> np.ndarray:
    """Returns uint8 frames (count, h, w, 3) of smooth noise that moves one pixel a frame."""
    noise = np.random.default_rng(seed).random((height, width + count, 3), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    picture = np.rint(255 * smooth).astype(np.uint8)
    return np.stack([picture[:, i : i + width] for i in range(count)])
