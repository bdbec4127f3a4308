"""Published RIFE parameters made by recipe, as our variables, and the fixtures' arrays."""

import json
import os
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import models, pretrained
from daflow_jax.convert import engine
from daflow_jax.models.rife import convert
from tests.golden import weights

OWN = Path(__file__).parents[1] / "golden" / "interpolation"
GOLDEN = Path(os.environ.get("DAFLOW_GOLDEN_INTERPOLATION", OWN))
NAMES = {  # of the fixtures' files by preset
    "rife": "rife",
    "rife-2r": "rife",
    "rife-m": "rife_m",
    "rife-3.1": "rife_v31",
    "rife-3.5": "rife_v35",
    "rife-3.8": "rife_v38",
    "rife-3.8-one-way": "rife_v38",
    "rife-4.0": "rife_v40",
    "rife-4.6": "rife_v46",
    "rife-4.25": "rife_v425",
}
SEEDS = {"a": 0, "b": 1}


def names(preset: str) -> dict[str, Any]:
    """Returns names, shapes and factors of a network's tensors."""
    return json.loads((GOLDEN / "names" / f"{NAMES[preset]}.json").read_text())


def state_dict(preset: str, part: str) -> dict[str, np.ndarray]:
    """Returns the published network's state dict of a fixture."""
    known = names(preset)
    state = weights.state_dict(known["params"], SEEDS[part])
    return {name: x * np.float32(known["scale"].get(name, 1)) for name, x in state.items()}


def variables(config: Any, state: dict[str, np.ndarray]) -> Any:
    """Returns the variables of a state dict."""
    kind = convert.ARCHITECTURES[convert.version(state)]
    shapes = pretrained.shapes(config)
    converted = engine.convert(state, kind.rules, shapes, kind.ignored(config))
    return jax.tree.map(jnp.asarray, engine.unflatten(converted.parameters))


def load(preset: str, part: str, factors: dict[str, float] | None = None, **overrides: Any):
    """Returns (module, variables); `factors` multiply published tensors."""
    config = models.preset(preset, **overrides)
    state = state_dict(preset, part)
    for name, factor in (factors or {}).items():
        state[name] = state[name] * np.float32(factor)
    return models.build(config), variables(config, state)


def path_of(name: str) -> str:
    """Returns our path of a published parameter of the paper's network."""
    for pattern, path, _ in convert.ARCHITECTURES["rife"].rules:
        if match := re.fullmatch(pattern, name):
            return match.expand(path).removeprefix("params/")
    raise KeyError(name)


def pairs(golden: Any) -> jax.Array:
    """Returns the fixture's frames (b, 2, h, w, 3), float32 in [0, 1]."""
    pair = np.stack([golden["image0"], golden["image1"]], 1)
    return jnp.asarray(pair.astype(np.float32) / 255)


def fixture(name: str) -> Any:
    """Returns the arrays of a fixture."""
    return np.load(GOLDEN / f"{name}.npz")


def thinned(key: str, stages: dict[str, Any]) -> Any:
    """Returns the array of `stages` that a fixture's name means: every N-th channel (`_cN`), every
    N-th row and column (`_sN`)."""
    thin: dict[str, int] = {}
    while match := re.fullmatch(r"(.*)_([cs])(\d+)", key):
        if key in stages:
            break
        key, kind, step = match.groups()
        thin[kind] = int(step)
    array = np.asarray(stages[key])
    if "s" in thin:
        array = array[:, :: thin["s"], :: thin["s"]]
    return array[..., :: thin["c"]] if "c" in thin else array
