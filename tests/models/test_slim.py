"""A restorer reduced to its first step gives the same taps, with fewer parameters."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from daflow_jax import pretrained
from daflow_jax.models.dit4sr import slim
from daflow_jax.models.dit4sr.config import VARIANTS, RestorerConfig
from daflow_jax.models.dit4sr.restorer import Restorer
from tests.models import backbone_golden as golden


def _config(**fields):
    dit = golden.dit_config(1, channels=3, patch_size=8, taps=(0, 1), **fields)
    return RestorerConfig(dit, codec="pixels", prompt_tokens=3)


@pytest.mark.parametrize(
    "fields",
    [
        dict(lq_key="own"),
        pytest.param(dict(lq_key="hq_twice"), marks=pytest.mark.slow),
        dict(lq_key="own", tap_norm="post_norm"),
    ],
)
def test_taps_stay_and_parameters_go(fields):
    full = _config(**fields)
    small = dataclasses.replace(full, dit=slim.first_step(full.dit))
    frames = jax.random.uniform(jax.random.key(0), (2, 2, 16, 24, 3))
    rng = jax.random.key(1)
    variables = golden.filled(Restorer(full), frames, rng, method="features")
    flat = {k: np.asarray(x) for k, x in pretrained.flatten(variables["params"]).items()}
    names = golden.shapes(Restorer(small), frames, rng, method="features")
    names = {name.removeprefix("params/"): shape for name, shape in names.items()}
    reduced = dict(slim.arrays(full.dit, flat, list(names)))
    assert {name: x.shape for name, x in reduced.items()} == names
    assert sum(x.size for x in reduced.values()) < 0.7 * sum(x.size for x in flat.values())
    params = traverse_util.unflatten_dict(jax.tree.map(jnp.asarray, reduced), sep="/")

    def taps(config, params):
        return Restorer(config).apply({"params": params}, frames, rng, method="features")

    expected = golden.jit(lambda p: taps(full, p))(variables["params"])
    got = golden.jit(lambda p: taps(small, p))(params)
    for ours, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        golden.close(ours, theirs, 2e-6)


def test_published_sizes_shrink_to_half():
    config = VARIANTS["restorer-base"]
    dit = dataclasses.replace(config.dit, lq_key="hq_twice")
    config = dataclasses.replace(config, dit=slim.first_step(dit))
    shapes = pretrained.flatten(pretrained.abstract_variables(config))
    count = sum(np.prod(leaf.shape) for leaf in shapes.values())
    assert 2 * count / 2**30 < 2.6  # in bfloat16, the autoencoder's encoder and prompt included
    assert not any("decoder" in name or "blocks_18" in name for name in shapes)


def test_a_reduced_network_refuses_to_denoise():
    config = _config()
    config = dataclasses.replace(config, dit=slim.first_step(config.dit))
    frames, rng = jnp.zeros((1, 1, 16, 16, 3)), jax.random.key(0)
    with pytest.raises(ValueError, match="cannot denoise"):
        jax.eval_shape(
            lambda: Restorer(config).init(rng, frames, rng, steps=2, tap_step=1, method="features")
        )
