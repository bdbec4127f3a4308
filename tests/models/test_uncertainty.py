"""The mixture of Laplace on RAFT's refinement: beside the flow, never in its way."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from daflow_jax import errors, experiment, models, pretrained
from daflow_jax.losses import mixture_of_laplace
from daflow_jax.models.raft import refine
from daflow_jax.ops import laplace
from daflow_jax.train import initial, state
from tests import tiny

HEAD = "update/info_head/"
SMALL = tiny.config()
LARGE = dataclasses.replace(SMALL, small=False)


def _random(config):
    abstract, rng = pretrained.abstract_variables(config), np.random.default_rng(0)
    scale = lambda x: max(np.prod(x.shape[:-1]), 1) ** -0.5  # noqa: E731
    draw = lambda x: jnp.asarray(rng.normal(0, scale(x), x.shape), x.dtype)  # noqa: E731
    drawn = jax.tree.map(draw, abstract)
    stats = jax.tree.map(lambda x: jnp.ones_like(x), drawn.get("batch_stats", {}))
    return {**drawn, "batch_stats": stats} if stats else drawn


def _without_head(variables):
    flat = pretrained.flatten(variables)
    kept = {name: x for name, x in flat.items() if HEAD not in name}
    assert len(flat) - len(kept) == 4
    return traverse_util.unflatten_dict(kept, sep="/")


def _with_head(config):
    if models.part(config, "restoration"):
        return dataclasses.replace(config, flow=_with_head(config.flow))
    return dataclasses.replace(config, uncertainty=True)


@pytest.mark.parametrize(
    "plain",
    [
        pytest.param(SMALL, marks=pytest.mark.slow),
        LARGE,
        pytest.param(tiny.daflow_config(), marks=pytest.mark.slow),
    ],
    ids=("small", "large", "da"),
)
def test_flow_is_the_same_to_the_bit_with_and_without_the_head(plain):
    config = _with_head(plain)
    variables = _random(config)
    count = plain.frames
    frames = jax.random.uniform(jax.random.key(0), (1, count, 128, 144, 3))
    run = lambda c, v: jax.jit(  # noqa: E731
        functools.partial(models.build(c).apply, iters=2, all_iterations=True)
    )(v, frames, rngs={"noise": jax.random.key(1)})
    ours, bare = run(config, variables), run(plain, _without_head(variables))
    np.testing.assert_array_equal(ours.flows, bare.flows)
    np.testing.assert_array_equal(ours.low, bare.low)
    assert bare.info is None and ours.info.dtype == jnp.float32
    assert ours.info.shape == (*ours.flows.shape[:-1], 4)
    assert float(jnp.std(ours.info[-1])) > 0.01 and np.isfinite(ours.info).all()


@pytest.fixture(scope="module")
def fresh():
    """Returns module, variables of a new network, frames, and a target of its pair."""
    module = models.build(_with_head(SMALL))
    keys = jax.random.split(jax.random.key(0), 3)
    frames = jax.random.uniform(keys[0], (1, 2, 128, 144, 3))
    variables = _random(module.config)  # compiling the whole initialisation takes longer
    part = refine.Refiner(16, 16, 4, 2, True, "gather", True)
    arrays = jnp.zeros((1, 2, 2, 16)), jnp.zeros((1, 2, 2, 2))
    variables["params"]["update"] |= part.init(keys[1], *arrays, method="upsample")["params"]
    return module, variables, frames, 3 * jax.random.normal(keys[2], (1, 1, 128, 144, 2))


@pytest.mark.slow
def test_a_new_head_says_one_pixel_or_e_pixels_with_equal_weight(fresh):
    module, variables, frames, target = fresh
    out = jax.jit(functools.partial(module.apply, iters=2))(variables, frames)
    np.testing.assert_allclose(laplace.uncertainty(out.info), 0.5, rtol=1e-6)
    loss = mixture_of_laplace.mixture_loss(out.flows, out.info, target, jnp.ones((1, 1, 128, 144)))
    distance = np.abs(np.asarray(target - out.flows[0], np.float64))
    density = (np.exp(-distance) + np.exp(-distance / math.e) / math.e) / 4
    assert float(loss) == pytest.approx(-np.log(density).mean(), rel=1e-5)


@pytest.mark.slow
def test_the_loss_teaches_the_head_and_what_is_before_it(fresh):
    module, variables, frames, target = fresh

    @jax.jit
    @jax.value_and_grad
    def step(params):
        out = module.apply({"params": params}, frames, 2, all_iterations=True)
        valid = jnp.ones((1, 1, 128, 144))
        return mixture_of_laplace.mixture_loss(out.flows, out.info, target, valid)

    params, losses = variables["params"], []
    for _ in range(3):
        loss, grads = step(params)
        head = grads["update"]["info_head"]
        last, first = (float(jnp.abs(head[name]["kernel"]).max()) for name in ("conv2", "conv1"))
        assert last > 0 and (first > 0) == bool(losses), "the first step moves the last layer only"
        assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))
        assert float(jnp.abs(grads["update"]["flow_head"]["conv2"]["kernel"]).max()) > 0
        losses.append(float(loss))
        params = jax.tree.map(lambda p, g: p - 1e-3 * g, params, grads)
    assert losses[2] < losses[1] < losses[0]


@pytest.mark.parametrize("target", ["", "flow"])
def test_weights_without_the_head_start_one_with_it(target):
    config = _with_head(tiny.daflow_config() if target else SMALL)
    ours = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), _abstract(config))
    source = initial.parse(f"{target}=raft" if target else "raft")[0]
    new = initial.load_partial(ours, tiny.variables(), source)
    prefix = f"params/{target}/" if target else "params/"
    layers = [f"conv{i}/{kind}" for i in (1, 2) for kind in ("bias", "kernel")]
    assert new.untouched == [prefix + HEAD + layer for layer in layers] and not new.unused
    got = pretrained.flatten(new.variables)[prefix + "update/gru/convz/kernel"]
    expected = pretrained.flatten(tiny.variables())["params/update/gru/convz/kernel"]
    np.testing.assert_array_equal(got, expected)


def _abstract(config):
    return pretrained.abstract_variables(config)


def test_config_files_ask_for_it():
    raft = experiment.build_model({"model": {"name": "raft-small", "uncertainty": True}})
    nested = experiment.build_model({"model": {"name": "daflow-nano", "flow.uncertainty": True}})
    assert raft.uncertainty and nested.uncertainty and nested.flow == raft
    wide = experiment.build_model(
        {"model": {"name": "daflow-nano", "flow": {"uncertainty": True, "var_max": 5.0}}}
    )
    assert (wide.var_min, wide.var_max) == (0.0, 5.0)
    assert not models.preset("raft").uncertainty and models.preset("sea-raft-s").uncertainty
    with pytest.raises(errors.UserError, match="the first is at most 0"):
        models.preset("raft-small", var_min=1.0)


@pytest.mark.parametrize("plain", [SMALL, tiny.daflow_config()], ids=("raft-small", "daflow"))
def test_the_head_can_be_trained_alone(plain):
    config = _with_head(plain)
    assert "uncertainty" not in models.trainable_sets(plain)
    leaves = state.ParameterPartition(train=models.trainable_sets(config)["uncertainty"])
    trained, _ = state.split(_abstract(config)["params"], leaves)
    assert len(state.leaf_paths(trained)) == 4
    assert all(HEAD in path for path in state.leaf_paths(trained))


def test_folders_keep_the_head_and_older_ones_have_none(tmp_path):
    config = _with_head(SMALL)
    variables = _random(config)
    pretrained.save(tmp_path / "head", config, variables, name="head")
    loaded = pretrained.load(tmp_path / "head")
    assert loaded.config == config
    name = f"params/{HEAD}conv2/kernel"
    back, saved = (pretrained.flatten(x)[name] for x in (loaded.variables, variables))
    np.testing.assert_array_equal(back, saved)
    older = models.to_dict(SMALL)
    for field in ("uncertainty", "var_min", "var_max"):
        del older[field]
    assert models.from_dict(older) == SMALL
