"""Published parameters of PWC-Net and FlowNet made by recipe, as our variables."""

import functools
import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import models
from daflow_jax.convert import engine
from daflow_jax.models.flownet import convert as flownet_convert
from daflow_jax.models.pwcnet import convert as pwcnet_convert
from tests.golden import weights

GOLDEN = Path(__file__).parents[1] / "golden" / "flownets"
FULL = Path(os.environ.get("DAFLOW_GOLDEN_FLOWNETS", GOLDEN))  # a folder with the whole fixtures
FILES = {"pwcnet": "pwcnet", "flownet-s": "flownets", "flownet-c": "flownetc"}


def names(name: str) -> dict:
    """Returns names, shapes and factors of a model's tensors."""
    return json.loads((GOLDEN / "names" / f"{FILES[name]}.json").read_text())


def arrays(file: str) -> dict[str, np.ndarray]:
    """Returns the arrays of a fixture, of the folder of whole ones if there is one."""
    return dict(np.load(FULL / f"{file}.npz"))


def table(name: str):
    """Returns the module with the rules of a model's names."""
    return pwcnet_convert if name == "pwcnet" else flownet_convert


def state_dict(name: str, seed: int) -> dict[str, np.ndarray]:
    """Returns the published network's state dict."""
    known = names(name)
    state = weights.state_dict(known["params"], seed)
    return {key: array * np.float32(known["scale"].get(key, 1)) for key, array in state.items()}


@functools.cache
def module(name: str, **overrides):
    """Returns the module of a preset."""
    return models.build(models.preset(name, **overrides))


def convert(name: str, state: dict[str, np.ndarray]):
    """Returns the variables of a state dict."""
    net = module(name)
    shape = models.example(net.config).args[0]
    abstract = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros(shape.shape)))
    shapes = {path: leaf.shape for path, leaf in engine.flatten(abstract).items()}
    rules = table(name)
    ignored = getattr(rules, "IGNORED", ())
    converted = engine.convert(state, rules.RULES, shapes, ignored)
    return jax.tree.map(jnp.asarray, engine.unflatten(converted.parameters))


def frames(golden) -> np.ndarray:
    """Returns the fixture's pair as float frames (b, 2, h, w, 3) in [0, 1]."""
    pair = np.stack([golden["image1"], golden["image2"]], axis=1)
    return pair.astype(np.float32) / 255
