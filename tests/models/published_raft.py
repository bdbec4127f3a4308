"""Published parameters of the RAFT family made by recipe, as our variables."""

import functools
import json
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import models
from daflow_jax.convert import engine
from daflow_jax.models.raft import convert as raft_convert
from daflow_jax.models.sea_raft import convert as sea_raft_convert
from tests.golden import weights

GOLDEN = Path(__file__).parents[1] / "golden" / "raft"
TABLES = {"raft": raft_convert, "sea_raft": sea_raft_convert}


def names(name: str) -> dict:
    """Returns names, shapes and twins of a model's tensors; L has those of M."""
    file = name.replace("sea-raft-l", "sea-raft-m").replace("-", "_")
    return json.loads((GOLDEN / "names" / f"{file}.json").read_text())


def state_dict(name: str, seed: int) -> dict[str, np.ndarray]:
    """Returns the published network's state dict, twins included."""
    known = names(name)
    state = weights.state_dict(known["params"], seed)
    state |= {twin: state[kept] for twin, kept in known.get("aliases", {}).items()}
    return {
        key: array * np.float32(known.get("scale", {}).get(key, 1)) for key, array in state.items()
    }


def targets(module, frames) -> dict[str, tuple[int, ...]]:
    """Returns our path -> shape."""
    abstract = jax.eval_shape(lambda: module.init(jax.random.key(0), frames, iters=1))
    return {path: leaf.shape for path, leaf in engine.flatten(abstract).items()}


def convert(module, state: dict[str, np.ndarray]):
    """Returns the variables of a state dict."""
    shapes = targets(module, jnp.zeros((1, 2, 128, 128, 3)))
    table = TABLES[models.entry_of(module.config).family]
    converted = engine.convert(state, table.RULES, shapes, table.IGNORED)
    return jax.tree.map(jnp.asarray, engine.unflatten(converted.parameters))


def load(name: str, seed: int, **overrides):
    """Returns (module, variables)."""
    module = models.build(models.preset(name, **overrides))
    return module, convert(module, state_dict(name, seed))


def frames(golden) -> np.ndarray:
    """Returns the fixture's pair as float frames (b, 2, h, w, 3) in [0, 1]."""
    pair = np.stack([golden["image1"], golden["image2"]], axis=1)
    return pair.astype(np.float32) / 255


@functools.partial(jax.jit, static_argnums=(0, 4))
def trace(module, variables, clip, start, iters: int):
    """Returns (output after every iteration, what the named methods returned on the way)."""
    seen = {}

    def note(method, args, kwargs, context):
        out = method(*args, **kwargs)
        kind = type(context.module).__name__
        if kind == "TwoConvs" or context.method_name in (
            "features",
            "contexts",
            "correlate",
            "states",
        ):
            seen["mask" if kind == "TwoConvs" else context.method_name] = out
        return out

    with nn.intercept_methods(note):
        out = module.apply(variables, clip, iters, init_flow=start, all_iterations=True)
    return out, seen
