"""Names of dimensions: what they are split over, and that the split reaches the program."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from daflow_jax import models, pretrained, sharding, tasks
from daflow_jax.nn.conv import LinenConv
from daflow_jax.sharding import axes
from daflow_jax.train import optimizer, state
from tests import batches as batch
from tests import tiny


def _mesh(**sizes):
    return sharding.make_mesh(sizes)


def test_an_unknown_name_is_an_error_with_and_without_a_mesh():
    x = jnp.zeros((8, 4))
    for call in (
        lambda: axes.constrain(x, "batch", "widht"),
        lambda: axes.named(nn.initializers.zeros, "embde"),
        lambda: axes.size("tokns"),
    ):
        with pytest.raises(ValueError, match="Did you mean (width|embed|tokens)"):
            call()
        with jax.set_mesh(_mesh(data=8)), pytest.raises(ValueError, match="unknown dimension"):
            call()
    with pytest.raises(ValueError, match="1 names"):
        axes.constrain(x, "batch")


def test_dimensions_that_do_not_divide_stay_whole():
    sizes = {"data": 2, "fsdp": 2, "seq": 1, "tensor": 2}
    assert axes.spec((8, 3, 6), ("batch", "frames", "heads"), sizes) == P(
        ("data", "fsdp"), None, "tensor"
    )
    assert axes.spec((6, 3, 5), ("batch", "frames", "heads"), sizes) == P(None, None, None)
    assert axes.spec((4, 4), ("embed", "embed"), sizes) == P("fsdp", None)  # an axis serves once


class _Layer(nn.Module):
    @nn.compact
    def __call__(self, x):
        into = axes.named(nn.initializers.lecun_normal(), "embed", "mlp")
        return axes.constrain(nn.Dense(256, kernel_init=into)(x), "batch", "hidden")


def test_a_constraint_reaches_the_program_under_a_mesh_only():
    layer, x = _Layer(), jnp.ones((8, 64))
    variables = layer.init(jax.random.key(0), x)

    def lowered():
        return jax.jit(lambda v, x: layer.apply(v, x)).lower(variables, x)

    assert lowered().as_text().count("sharding_constraint") == 0
    with jax.set_mesh(_mesh(data=4, tensor=2)):
        assert lowered().as_text().count("sharding_constraint") == 1
        out = jax.jit(lambda v, x: layer.apply(v, x))(variables, x)
    assert out.sharding.spec == P("data", "tensor")
    assert out.addressable_shards[0].data.shape == (2, 128)


def test_names_of_parameters_are_recorded_and_leave_no_trace():
    init = functools.partial(_Layer().init, jax.random.key(0), jnp.ones((8, 64)))
    assert axes.recorded(init) == {"params/Dense_0/kernel": ("embed", "mlp")}
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(init()))


@functools.cache
def _restorer_task():
    config = models.preset("restorer-nano", **{"dit.depth": 5, "dit.scan": True})
    return tasks.Restoration(models.build(config))


def _example():
    return batch.zeros(2, 3, 128, 128)


def test_every_copy_of_a_parameter_lies_where_its_names_say():
    task, mesh = _restorer_task(), _mesh(data=2, fsdp=2, tensor=2)
    optimizing = optimizer.make_optimizer(
        optimizer.OptimizerConfig(lr=1e-4, schedule="constant", ema_decay=0.9), 10
    )
    key = jax.random.key(0)
    named = axes.recorded(lambda: task.init(key, _example()))
    names = {path.removeprefix("params/"): value for path, value in named.items()}
    assert names["dit/blocks_0/attn/to_q/kernel"] == ("embed", "head_features")
    abstract = jax.eval_shape(lambda: state.create(task.init(key, _example()), key, optimizing))
    places = sharding.tree_shardings(abstract, mesh, names)
    copies = dict(zip(state.leaf_paths(abstract), jax.tree.leaves(places), strict=True))
    for end, want in (
        ("blocks_0/attn/to_q/kernel", P("fsdp", "tensor")),
        ("blocks_0/attn/to_out/kernel", P("tensor", "fsdp")),
        ("blocks_0/ff/proj_in/kernel", P("fsdp", "tensor")),
    ):
        got = {path.split("/")[0]: x.spec for path, x in copies.items() if path.endswith(end)}
        assert got == {"params": want, "ema": want, "opt_state": want}


class _SplitRows(nn.Module):
    """A convolution between maps whose rows are split, as the stem of a transformer is."""

    conv: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x):
        names = ("batch", "rows", "columns", "channels")
        return axes.constrain(self.conv(4, (3, 3), padding=1)(axes.constrain(x, *names)), *names)


def _kernel_gradient(conv, sizes):
    layer, x = _SplitRows(conv), jnp.asarray(np.random.default_rng(0).random((4, 16, 8, 4)))
    variables = layer.init(jax.random.key(0), x)
    grad = jax.jit(jax.grad(lambda v: jnp.sum(jnp.square(layer.apply(v, x)))))
    with jax.set_mesh(_mesh(**sizes)):
        return grad(variables)["params"]["Conv_0"]["kernel"]


def test_kernel_gradients_are_counted_once():
    alone = _kernel_gradient(LinenConv, dict(data=8))
    split = _kernel_gradient(LinenConv, dict(data=2, seq=2, tensor=2))
    assert np.allclose(alone, split, rtol=1e-5)


@pytest.mark.slow  # compiling for eight devices takes a minute
def test_a_step_on_a_mesh_is_a_step_on_one_device():
    module = models.build(tiny.daflow_config())
    task = tasks.OpticalFlow(module, iters=2)
    rng = np.random.default_rng(0)
    rows = {
        "lq": np.stack([tiny.frames(3, 128, 128, seed) for seed in range(4)]) / np.float32(255),
        "flow": rng.normal(0, 2, (4, 2, 128, 128, 2)).astype(np.float32),
        "valid": np.ones((4, 2, 128, 128), bool),
    }
    variables = _drawn(module)

    def gradient(params, rows):
        aux = {name: x for name, x in variables.items() if name != "params"}
        loss = lambda params: task.loss(params, aux, rows, jax.random.key(1)).loss  # noqa: E731
        return jax.value_and_grad(loss)(params)

    alone = jax.jit(gradient)(variables["params"], rows)
    mesh = _mesh(data=2, seq=2, tensor=2)
    named = axes.recorded(lambda: task.init(jax.random.key(0), _example()))
    names = {path.removeprefix("params/"): value for path, value in named.items()}
    places = sharding.tree_shardings(variables["params"], mesh, names)
    with jax.set_mesh(mesh):
        params = jax.device_put(variables["params"], places)
        step = jax.jit(gradient, out_shardings=(sharding.replicated(mesh), places))
        spread = step(params, sharding.place_batch(rows, mesh))
    assert np.allclose(alone[0], spread[0], rtol=1e-6)
    for one, many in zip(jax.tree.leaves(alone[1]), jax.tree.leaves(spread[1]), strict=True):
        one, many = np.asarray(one), np.asarray(many)
        # instance norm cancels most of its gradient: what is left is float32 rounding of the rest
        assert np.abs(one - many).max() <= 1e-3 * max(np.abs(one).max(), 1e-3)


def _drawn(module):
    abstract = pretrained.abstract_variables(module.config)
    rng = np.random.default_rng(1)

    def draw(leaf):
        fan_in = max(int(np.prod(leaf.shape[:-1])), 1)
        return rng.normal(0, fan_in**-0.5, leaf.shape).astype(np.float32)

    return jax.tree.map(draw, abstract)
