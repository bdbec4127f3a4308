"""Matrix products of some layers in 8 bits: which products, how far off, and what is refused."""

import collections
import importlib.util

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from daflow_jax import errors, experiment, models, precision
from daflow_jax.experiment import config_file

NAMES = {"int8": ("int8", "int8"), "fp8": ("float8_e4m3fn", "float8_e5m2")}


class Block(nn.Module):
    """Two dense layers; `meant` names the one that a policy names."""

    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x):
        x = nn.remat(nn.Dense)(16, dtype=self.dtype, name="meant")(x)
        return nn.Dense(4, dtype=self.dtype, name="other")(jnp.tanh(x))


def _run(value, params=None):
    policy = precision.parse(value)
    net = precision.Bound(Block(policy.compute), policy)
    x = jax.random.normal(jax.random.key(0), (64, 32))
    params = net.init(jax.random.key(1), x)["params"] if params is None else params

    def loss(params):
        return jnp.mean(net.apply({"params": params}, x) ** 2)

    return jax.value_and_grad(loss), params


def _formats(function, *args):
    found = collections.Counter()

    def walk(jaxpr):
        for equation in jaxpr.eqns:
            if equation.primitive.name == "dot_general":
                found[tuple(x.aval.dtype.name for x in equation.invars)] += 1
            for sub in core.jaxprs_in_params(equation.params):
                walk(sub)

    walk(jax.make_jaxpr(function)(*args).jaxpr)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_layers_that_are_named_multiply_in_8_bits_forward_and_backward(name):
    pytest.importorskip("qwix")
    inputs, gradients = NAMES[name]
    step, params = _run({"policy": f"{name}_mixed", "products": ("meant/.*",)})
    found = _formats(step, params)
    assert found[inputs, inputs] > 0 and found[gradients, inputs] > 0
    assert {kinds for kinds in found if "bfloat16" in kinds} == {("bfloat16", "bfloat16")}
    (loss, grads), (exact, exact_grads) = jax.jit(step)(params), _run("f32")[0](params)
    np.testing.assert_allclose(loss, exact, rtol=0.02)
    one, other = grads["meant"]["kernel"], exact_grads["meant"]["kernel"]
    assert 1e-4 < jnp.linalg.norm(one - other) / jnp.linalg.norm(other) < 0.1
    island = {"policy": f"{name}_mixed", "products": (".*",), "float32": (".*",)}
    assert set(_formats(*_run(island))) == {("float32", "float32")}


def test_a_pattern_that_names_no_layer_and_a_policy_without_products_are_refused():
    pytest.importorskip("qwix")
    with pytest.raises(errors.UserError, match="'ment/.*' *: matches no kernel. .* meant, other"):
        _run({"policy": "int8_mixed", "products": ("ment/.*",)})
    with pytest.raises(errors.UserError, match="has no format for their products. Add q=int8"):
        precision.parse({"policy": "bf16_mixed", "products": (".*",)})
    with pytest.raises(errors.UserError, match=r"products: '\(' is no pattern"):
        precision.parse({"policy": "int8_mixed", "products": ("(",)})
    with pytest.raises(errors.UserError, match="format of products 'int9'. Did you mean int8"):
        precision.parse("p=f32,c=bf16,q=int9")


def test_without_qwix_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.UserError, match=r"need Qwix, .* 'daflow-jax\[quant\]'") as caught:
        precision.parse("fp8_mixed")
    assert caught.value.code == 3


def test_transformer_blocks_are_meant_and_a_model_without_is_refused():
    pytest.importorskip("qwix")
    device = jax.devices()[:1]
    read = lambda file: config_file.read(file, ("--config.precision=int8_mixed",))  # noqa: E731
    made = experiment.build(read("configs/daflow/lift.py"), device)
    (pattern,) = made.task.module.policy.products
    named = [
        path
        for path in _kernels(made.task.module)
        if precision.bound.eight_bits.matches(path, (pattern,))
    ]
    assert "dit/blocks_0/attn/to_q/kernel" in named and "dit/blocks_0/ff/proj_in/kernel" in named
    assert not [path for path in named if "norm1" in path or "stem" in path]
    with pytest.raises(errors.UserError, match="blocks, which this model lacks. Use bf16_mixed"):
        experiment.build(read("configs/raft/star.py"), device)


def _kernels(bound):
    from daflow_jax import pretrained

    names = pretrained.shapes(models.stored(bound.config))
    return [name.removeprefix("params/") for name in names if name.endswith("/kernel")]
