"""Restorers of scale 4 small enough for tests, with random weights around mid-grey."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from daflow_jax import models, predict, pretrained


def variables(config: Any) -> Any:
    """Returns random variables of a configuration, the same in every run."""
    rng = np.random.default_rng(0)

    def draw(leaf):
        scale = np.prod(leaf.shape[:-1]) ** -0.5 if len(leaf.shape) > 1 else 0
        return rng.normal(0, 1, leaf.shape).astype(np.float32) * np.float32(scale)

    drawn = jax.tree.map(draw, pretrained.abstract_variables(config))
    last = drawn["params"]["conv_last"]
    last["bias"], last["kernel"] = last["bias"] + np.float32(0.5), last["kernel"] / 4
    return drawn


def model(name: str) -> predict.RestorationModel:
    """Returns the model of a preset."""
    config = models.preset(name)
    return predict.RestorationModel(config, variables(config), meta={"name": name})


def save(folder: Path, name: str) -> str:
    """Returns the model folder of a preset, written into `folder`."""
    config = models.preset(name)
    return str(pretrained.save(folder / name, config, variables(config), name=name))
