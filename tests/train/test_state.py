"""What trains and what is kept: patterns, named sets, formats at rest, moments and averages."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, experiment, models, precision, pretrained
from daflow_jax.train import optimizer, setup, state
from tests import tiny

PARAMS = {"backbone": {"a": {"kernel": 1}, "b": {"kernel": 2}}, "head": {"backbone": 3}}


def _params():
    return jax.tree.map(lambda x: np.full((2,), x, np.float32), PARAMS)


def _paths(tree):
    return set(state.leaf_paths(tree))


def test_split_follows_whole_paths_and_merge_undoes_it():
    trained, frozen = state.split(_params(), state.ParameterPartition(frozen=("backbone/.*",)))
    assert _paths(trained) == {"head/backbone"}
    assert _paths(frozen) == {"backbone/a/kernel", "backbone/b/kernel"}
    jax.tree.map(np.testing.assert_array_equal, state.merge(trained, frozen), _params())
    some = state.ParameterPartition(train=("backbone/.*",), frozen=("backbone/b/.*",))
    assert _paths(state.split(_params(), some)[0]) == {"backbone/a/kernel"}


@pytest.mark.parametrize(
    "leaves, message",
    [
        (dict(frozen=("backbones/.*",)), r"optimizer.frozen 'backbones/.*': matches no parameter"),
        (dict(train=("heads/.*",)), r"optimizer.train 'heads/.*': .* begin with backbone, head"),
        (dict(frozen=(".*",)), "freeze every parameter"),
        (dict(train=("head/.*",), frozen=("head/backbone",)), "freeze every parameter"),
    ],
)
def test_patterns_without_effect_are_refused(leaves, message):
    with pytest.raises(errors.UserError, match=message):
        state.split(_params(), state.ParameterPartition(**leaves))


def test_formats_at_rest_and_exact_moments_and_averages():
    policy = precision.parse({"policy": "p=bf16,f=bf16,c=bf16", "float32": ("backbone/b/.*",)})
    settings = optimizer.OptimizerConfig(lr=0.1, schedule="constant", ema_decay=0.9)
    new = state.create(
        {"params": _params()},
        jax.random.key(0),
        optimizer.make_optimizer(settings, 1),
        state.ParameterPartition(train=("head/.*", "backbone/b/.*"), policy=policy),
    )
    assert new.params["head"]["backbone"].dtype == jnp.bfloat16
    assert new.params["backbone"]["b"]["kernel"].dtype == jnp.float32  # an island
    assert new.frozen["backbone"]["a"]["kernel"].dtype == jnp.bfloat16
    floats = [x for x in jax.tree.leaves((new.opt_state, new.ema)) if x.ndim]
    assert {x.dtype for x in floats} == {np.dtype(np.float32)}
    assert not any("backbone/a" in path for path in _paths((new.opt_state, new.ema)))


def _trained(config, name):
    patterns = models.trainable_sets(config)[name]
    params = pretrained.abstract_variables(config)["params"]
    return _paths(state.split(params, state.ParameterPartition(train=patterns))[0]), _paths(params)


@pytest.fixture(scope="module")
def daflow():
    base = tiny.daflow_config()
    dit = dataclasses.replace(base.backbone.dit, folded_blocks=(1, 2), dual_blocks=2)
    return dataclasses.replace(base, backbone=dataclasses.replace(base.backbone, dit=dit))


def test_flow_trains_all_but_the_backbone(daflow):
    trained, every = _trained(daflow, "flow")
    assert trained == {path for path in every if not path.startswith("backbone/")}


def test_control_trains_what_the_lq_stream_adds(daflow):
    trained, every = _trained(daflow.backbone, "control")
    assert trained == {path for path in every if "control" in path} and trained
    assert _trained(daflow, "control")[0] == {f"backbone/{path}" for path in trained}
    assert "control" not in str(models.trainable_sets(models.preset("raft")))


@pytest.mark.parametrize("lift, second", [("fold", {"1"}), ("frame", set())])
def test_folded_attention_is_that_of_the_folded_blocks(daflow, lift, second):
    dit = dataclasses.replace(daflow.backbone.dit, lift_attn2=lift)
    trained, _ = _trained(dataclasses.replace(daflow.backbone, dit=dit), "folded_attention")
    parts = {tuple(path.split("/")[1:3]) for path in trained}
    first = {("blocks_1", "attn"), ("blocks_2", "attn")}
    assert parts == first | {(f"blocks_{i}", "attn2") for i in second}


def _config(**parts):
    return {
        "task": {"name": "optical_flow"},
        "model": {"name": "daflow-nano"},
        "optimizer": {"lr": 1e-4},
        "data": {"scene": {"height": 128, "width": 128, "frames": 3}},
        "train": {"steps": 4, "batch_size": 8},
        "checkpoint": {"init_from": "random"},
    } | parts


def test_config_trains_named_sets_and_patterns():
    for value in ("flow", ("flow/.*", "dpt_.*", "fuse/.*")):
        built = experiment.build(_config(optimizer={"lr": 1e-4, "train": value}))
        like = setup.abstract_state(built)
        assert set(like.frozen) == {"backbone"} and "backbone" not in like.params
    wrong = _config(optimizer={"lr": 1e-4, "train": "folded_atention"})
    with pytest.raises(errors.UserError, match="optimizer.train.*Did you mean folded_attention"):
        experiment.build(wrong)
