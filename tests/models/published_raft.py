"""Published RAFT parameters made by recipe, as our variables."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import models
from daflow_jax.convert import engine
from daflow_jax.models.raft import convert
from tests.golden import weights

GOLDEN = Path(__file__).parents[1] / "golden" / "raft"


def state_dict(name: str, seed: int) -> dict[str, np.ndarray]:
    """Returns the published network's state dict, twins included."""
    names = json.loads((GOLDEN / "names" / f"{name.replace('-', '_')}.json").read_text())
    state = weights.state_dict(names["params"], seed)
    return state | {twin: state[kept] for twin, kept in names.get("aliases", {}).items()}


def targets(module, frames) -> dict[str, tuple[int, ...]]:
    """Returns our path -> shape."""
    abstract = jax.eval_shape(lambda: module.init(jax.random.key(0), frames, iters=1))
    return {path: leaf.shape for path, leaf in engine.flatten(abstract).items()}


def load(name: str, seed: int, **overrides):
    """Returns (module, variables)."""
    module = models.build(models.preset(name, **overrides))
    shapes = targets(module, jnp.zeros((1, 2, 128, 128, 3)))
    converted = engine.convert(state_dict(name, seed), convert.RULES, shapes, convert.DEAD)
    return module, jax.tree.map(jnp.asarray, engine.unflatten(converted.parameters))


def frames(golden) -> jax.Array:
    """Returns the fixture's pair as float frames (b, 2, h, w, 3) in [0, 1]."""
    pair = np.stack([golden["image1"], golden["image2"]], axis=1)
    return jnp.asarray(pair, jnp.float32) / 255
