"""Policies of precision: how they are written, what they store, what computes in which format."""

import collections

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from daflow_jax import errors, experiment, models, precision, tasks
from daflow_jax.train import checkpoint, loop, setup
from daflow_jax.train import state as states
from tests import batches, tiny
from tests.train import toy

F32, BF16 = np.dtype(np.float32), np.dtype(jnp.bfloat16)


@pytest.mark.parametrize(
    "value, formats",
    [
        ("float32", (F32,) * 5),
        ("f32", (F32,) * 5),
        ("p=f32,c=bf16", (F32, F32, F32, BF16, F32)),
        ("bf16_mixed", (F32, F32, F32, BF16, F32)),
        ("bf16_master", (F32, BF16, F32, BF16, F32)),
        ("bf16_frozen", (F32, F32, BF16, BF16, F32)),
        ("bf16", (BF16, BF16, BF16, BF16, F32)),
        ("p=bf16, c=bf16, w=bf16, f=f32, o=bf16", (BF16, BF16, F32, BF16, BF16)),
    ],
)
def test_policies_are_read_from_text(value, formats):
    got = precision.parse(value)
    assert (got.param, got.working, got.frozen, got.compute, got.output) == formats
    with_islands = precision.parse({"policy": value, "float32": ("flow/.*",)})
    assert with_islands.float32 == ("flow/.*",) and with_islands.param == got.param


@pytest.mark.parametrize(
    "value, message",
    [
        ("p=f32", "needs p= .* and c="),
        ("p=f32,c=bf16,x=f32", "may have w=, f=, o= and q="),
        ("p=f33,c=f32", "unknown format 'f33'. Did you mean f32"),
        ("bf16_mastre", "neither a preset nor a format. Did you mean bf16_master"),
        ("p=bf16,w=f32,c=f32", "wider than the parameters. Raise p="),
        ({"policies": "f32"}, "precision.policies: unknown field. Did you mean policy"),
        ({"float32": "flow/.*"}, r"wants a list of patterns. Write \('flow/.\*',\)"),
    ],
)
def test_unknown_policies_name_the_nearest(value, message):
    with pytest.raises(errors.UserError, match=message):
        precision.parse(value)


class Inner(nn.Module):
    """Two layers made in setup, a norm without parameters between them, and a mean that is float32
    by rule."""

    dtype: jnp.dtype | None = None

    def setup(self):
        self.first, self.second = (nn.Dense(4, dtype=self.dtype) for _ in range(2))
        self.between = Center()

    def __call__(self, x):
        y = self.second(self.between(self.first(x)))
        return y, jnp.mean(x.astype(jnp.float32))


class Center(nn.Module):
    """A module without parameters."""

    @nn.compact
    def __call__(self, x):
        return jnp.tanh(x) @ jnp.ones((4, 4), x.dtype)


class Outer(nn.Module):
    """A layer, a block that is recomputed in the backward pass, and kernels used by the parent."""

    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x, scale=1.0):
        x = nn.Dense(4, dtype=self.dtype, name="stem")(x)
        y, mean = nn.remat(Inner)(self.dtype, name="inner")(x)
        kernel = Kernel(name="kernel")().astype(y.dtype)
        return {"y": y @ kernel * scale, "inner": y.dtype == x.dtype, "mean": mean}


class Kernel(nn.Module):
    """Parameters that another module applies."""

    @nn.compact
    def __call__(self):
        return self.param("kernel", nn.initializers.ones, (4, 4))


def _outer(value):
    policy = precision.parse(value)
    net = precision.Bound(Outer(policy.compute), policy)
    x = jax.random.normal(jax.random.key(0), (3, 4))
    return net, Outer().init(jax.random.key(1), x), x


def _products(call, *args):
    """Returns {module: formats of the products in it} of a traced function."""
    found = collections.defaultdict(set)

    def walk(jaxpr, names):
        for equation in jaxpr.eqns:
            inner = [*names, *str(equation.source_info.name_stack).split("/")]
            if equation.primitive.name in ("dot_general", "conv_general_dilated"):
                for name in inner:
                    found[name].add(equation.invars[0].aval.dtype.name)
            for sub in core.jaxprs_in_params(equation.params):
                walk(sub, inner)

    walk(jax.make_jaxpr(call)(*args).jaxpr, [])
    return found


@pytest.mark.parametrize(
    "patterns, exact",
    [
        ((), set()),
        (("inner/.*",), {"first", "between", "second"}),
        (("inner/second/.*",), {"second"}),
        (("stem/.*", "inner/first/kernel", "inner/first/bias"), {"stem", "first"}),
    ],
)
def test_islands_compute_in_float32_and_nothing_else_does(patterns, exact):
    net, variables, x = _outer({"policy": "bf16_mixed", "float32": patterns})
    for call in (
        lambda v: net.apply(v, x)["y"],
        jax.grad(lambda v: jnp.sum(net.apply(v, x)["y"])),
    ):
        found = _products(call, variables)
        for name in ("stem", "first", "between", "second"):
            wanted = {"float32"} if name in exact else {"bfloat16"}
            assert found[name] == wanted, name


def test_what_leaves_an_island_has_the_format_that_it_has_without():
    net, variables, x = _outer({"policy": "bf16_mixed", "float32": ("inner/.*",)})
    out = net.apply(variables, x)
    plain = _outer("bf16_mixed")[0].apply(variables, x)
    assert out["inner"] and plain["inner"]  # bfloat16 again
    exact = Outer().apply(variables, x)["mean"]
    stem = nn.Dense(4, dtype=BF16).apply({"params": variables["params"]["stem"]}, x)
    assert out["mean"] == np.mean(stem.astype(np.float32)) and out["mean"] != exact


def test_a_network_that_is_one_island_is_the_float32_network():
    net, variables, x = _outer({"policy": "bf16_master", "float32": (".*",)})
    got, exact = net.apply(variables, x), Outer(F32).apply(variables, x)
    for name in ("y", "mean"):
        # the border gives on what the network without island gives: bfloat16 where it computes
        wanted = exact[name].astype(BF16) if name == "y" else exact[name]
        np.testing.assert_array_equal(got[name], wanted.astype(F32))


def test_policies_without_islands_are_linens_own_dtypes():
    for value, module in (("bf16_mixed", Outer(BF16)), ("float32", Outer(F32))):
        net, variables, x = _outer(value)
        want = module.apply(variables, x)["y"]
        np.testing.assert_array_equal(net.apply(variables, x)["y"], want.astype(F32))
        assert net.apply(variables, x)["y"].dtype == F32


def test_the_working_copy_is_rounded_and_gradients_return_to_the_master():
    net, variables, x = _outer({"policy": "bf16_master", "float32": ("inner/.*",)})
    copy = net.policy.working_copy(variables["params"])
    assert copy["stem"]["kernel"].dtype == BF16 and copy["inner"]["first"]["kernel"].dtype == F32
    grads = jax.grad(lambda v: jnp.sum(net.apply(v, x)["y"]))(variables)["params"]
    assert grads["stem"]["kernel"].dtype == F32
    rounded = np.asarray(grads["stem"]["kernel"].astype(BF16), np.float32)
    np.testing.assert_array_equal(grads["stem"]["kernel"], rounded)


@pytest.mark.parametrize(
    "pattern, message",
    [
        ("inner", "matches no parameter. .* begin with inner, kernel, stem"),
        ("inner/first/kernel", r"matches a part of inner/first. Write inner/first/\.\*"),
    ],
)
def test_patterns_that_make_no_island_are_refused(pattern, message):
    net, variables, x = _outer({"policy": "bf16_mixed", "float32": (pattern,)})
    for call in (lambda: net.init(jax.random.key(0), x), lambda: net.apply(variables, x)):
        with pytest.raises(errors.UserError, match=message):
            call()


def test_kernels_that_a_parent_applies_are_no_island_of_their_own():
    net, variables, x = _outer({"policy": "bf16_mixed", "float32": ("kernel/.*",)})
    with pytest.raises(errors.UserError, match="kernel is given no arrays: its parent"):
        net.apply(variables, x)


@pytest.fixture(scope="module")
def daflow():
    policy = precision.parse({"policy": "bf16_mixed", "float32": ("flow/.*", "dpt_key/.*")})
    module = models.build(tiny.daflow_config(), policy.compute)
    task = tasks.OpticalFlow(precision.Bound(module, policy), iters=2)
    return task, jax.eval_shape(task.init, jax.random.key(0), batches.zeros(1, 3, 128, 128))


def test_islands_of_the_flow_network_reach_training_and_evaluation_alike(daflow):
    task, variables = daflow
    rows = batches.zeros(1, 3, 128, 128)
    key = jax.random.key(0)
    for call in (
        lambda v: task.loss(v["params"], {}, rows, key).loss,
        lambda v: task.evaluate(v["params"], {}, rows, key)["epe"].total,
    ):
        found = _products(call, variables)
        assert found["fnet"] == found["cnet"] == found["dpt_key"] == {"float32"}
        assert found["update"] == found["update.states"] == {"float32"}
        assert found["dpt_query"] == found["fuse"] == found["blocks_0"] == {"bfloat16"}


def _config(value, **parts):
    return {
        "task": {"name": "optical_flow", "iters": 2},
        "model": {"name": "daflow-nano"},
        "optimizer": {"lr": 1e-4, "train": "flow", "ema_decay": 0.9},
        "data": {"scene": {"height": 128, "width": 128, "frames": 3}},
        "train": {"steps": 4, "batch_size": 8},
        "checkpoint": {"init_from": "random"},
        "precision": value,
    } | parts


def test_a_frozen_backbone_rests_in_bfloat16_without_optimiser_state():
    islands = ("backbone/dit/time_embed/.*",)
    e = experiment.build(_config({"policy": "bf16_frozen", "float32": islands}))
    like = setup.abstract_state(e)
    held = states.leaf_paths(like.frozen)
    formats = dict(zip(held, (x.dtype for x in jax.tree.leaves(like.frozen)), strict=True))
    exact = {path for path, dtype in formats.items() if dtype == F32}
    assert exact == {path for path in held if path.startswith("backbone/dit/time_embed/")}
    assert exact and set(formats.values()) == {F32, BF16}
    for tree in (like.params, like.ema, like.opt_state):
        assert not any("backbone" in path for path in states.leaf_paths(tree))
        assert all(x.dtype != BF16 for x in jax.tree.leaves(tree))


def test_wrong_islands_are_refused_when_the_state_is_laid_out():
    e = experiment.build(_config({"policy": "bf16_mixed", "float32": ("flwo/.*",)}))
    with pytest.raises(errors.UserError, match="'flwo/.*': matches no parameter"):
        setup.abstract_state(e)


def test_islands_reach_into_loops_over_blocks_that_are_recomputed():
    sizes = {"depth": 4, "heads": 2, "head_dim": 8, "taps": (0,), "scan": True, "remat": "full"}
    config = models.preset("restorer-nano", **{f"dit.{name}": x for name, x in sizes.items()})
    policy = precision.parse({"policy": "bf16_mixed", "float32": ("dit/blocks_.*/attn/.*",)})
    net = precision.Bound(models.build(config, policy.compute), policy)
    x, key = jnp.zeros((1, 2, 32, 32, 3)), jax.random.key(0)
    variables = jax.eval_shape(lambda: net.init(key, x, key, method="features"))
    assert "blocks_1_2" in variables["params"]["dit"]

    def loss(v):
        return jnp.sum(net.apply(v, x, x, jnp.ones(1)).prediction)

    found = _products(jax.grad(loss), variables)
    assert found["to_q"] == found["to_out"] == {"float32"}
    assert found["proj_in"] == found["norm1"] == found["stem"] == {"bfloat16"}


def _toy(steps, **parts):
    held = states.ParameterPartition(frozen=("held/.*",), policy=precision.parse("bf16_frozen"))
    return toy.experiment(steps=steps, partition=held, **parts)


def test_runs_in_16_bits_start_from_float32_resume_and_export(tmp_path):
    assert loop.train(toy.experiment(steps=2), tmp_path / "exact") == 0
    start = setup.CheckpointConfig(every=3, init_from=str(tmp_path / "exact"))
    load, saved = checkpoint.load_variables, []
    options: dict = dict(checkpoint=start, load=load, save=lambda *given: saved.append(given[2]))
    for folder, lengths in (("whole", (6,)), ("parts", (3, 6))):
        for steps in lengths:
            assert loop.train(_toy(steps, **options), tmp_path / folder) == 0
    log = (tmp_path / "whole/log.txt").read_text()
    assert "cast 1 (params/held/kernel)" in log
    whole, parts = (load(tmp_path / name)["params"] for name in ("whole", "parts"))
    given = load(tmp_path / "exact")["params"]["held"]["kernel"]
    for params in (whole, parts, saved[-1]["params"]):
        assert params["held"]["kernel"].dtype == BF16 and params["mix"]["kernel"].dtype == F32
        np.testing.assert_array_equal(params["held"]["kernel"], given.astype(BF16))
    np.testing.assert_array_equal(whole["mix"]["kernel"], parts["mix"]["kernel"])
