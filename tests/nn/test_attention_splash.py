"""The TPU kernels: interpreted on a CPU, and lowered for a TPU that is not there."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import tpu as pltpu

from daflow_jax import sharding
from daflow_jax.nn import attention
from daflow_jax.nn.attention import splash


@pytest.fixture
def interpreted(monkeypatch):
    """Small blocks, and kernels run as the programs of a CPU, so that a mesh works too."""
    make = functools.partial(splash.kernels.make_splash_mha, interpret=True)
    monkeypatch.setattr(splash.kernels, "make_splash_mha", make)
    monkeypatch.setattr(splash, "SMALLEST", 128)
    monkeypatch.setattr(splash, "TILE", 128 * 128)


def _inputs(queries, keys, dtype=jnp.float32):
    lengths = (queries, keys, keys, queries)  # the last one stands for an output's weight
    draws = zip(jax.random.split(jax.random.key(0), 4), lengths, strict=True)
    return [2 * jax.random.normal(k, (2, n, 2, 16), dtype) for k, n in draws]


def _out_and_grads(inputs, implementation, tail=(5, 3)):
    def scalar(query, key, value, weight):
        out = attention.attend(query, key, value, tail=tail, implementation=implementation)
        return jnp.sum((out * weight).astype(jnp.float32)), out

    return jax.jit(jax.value_and_grad(scalar, argnums=(0, 1, 2), has_aux=True))(*inputs)


def _assert_close(ours, reference, bound):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(reference), strict=True):
        a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
        np.testing.assert_allclose(a, b, atol=bound * np.abs(b).max())


@pytest.mark.parametrize("queries,keys,fused", [(150, 300, 8), (256, 246, 0), (40, 30, 8)])
def test_splash_equals_plain(queries, keys, fused, interpreted, monkeypatch):
    monkeypatch.setattr(splash, "FUSED", fused)
    inputs = _inputs(queries, keys)
    _assert_close(_out_and_grads(inputs, "splash"), _out_and_grads(inputs, "plain"), 1e-5)


def test_splash_stays_near_plain_in_bfloat16(interpreted):
    """2**-8 is the spacing of bfloat16; gradients add up a few such errors."""
    inputs = _inputs(150, 300, jnp.bfloat16)
    _assert_close(_out_and_grads(inputs, "splash"), _out_and_grads(inputs, "plain"), 0.03)


def test_splash_equals_plain_on_a_simulated_tpu():
    query, key, value, _ = _inputs(40, 30)
    plain = attention.attend(query, key, value, implementation="plain")
    with pltpu.force_tpu_interpret_mode():
        ours = attention.attend(query, key, value, implementation="splash")
    _assert_close(ours, plain, 1e-5)


@pytest.mark.parametrize(
    "mesh,heads", [({"data": 2, "seq": 4}, 4), pytest.param({"seq": 8}, 2, marks=pytest.mark.slow)]
)
def test_splash_on_a_mesh_equals_plain_on_one_device(mesh, heads, interpreted):
    keys = iter(jax.random.split(jax.random.key(0), 9))

    def part(copies, tokens):
        shape = (2, copies, tokens, heads, 16)
        return attention.Part(*(jax.random.normal(next(keys), shape) for _ in range(3)))

    parts = [part(3, 32), part(3, 32)], part(1, 5)

    def run(implementation):
        def scalar(images, text):
            outs = attention.joint(images, text, folds=True, implementation=implementation)
            return sum(jnp.sum(x**2) for x in outs), outs

        return jax.jit(jax.value_and_grad(scalar, argnums=(0, 1), has_aux=True))(*parts)

    with jax.set_mesh(sharding.make_mesh(mesh)):
        ours = run("splash")
    _assert_close(ours, run("plain"), 1e-5)


def test_splash_lowers_for_a_tpu_without_square_buffers():
    x = jax.ShapeDtypeStruct((1, 3, 1360, 4, 64), jnp.bfloat16)
    text = jax.ShapeDtypeStruct((1, 1, 77, 4, 64), jnp.bfloat16)

    def scalar(images, text):
        outs = attention.joint(images, text, folds=True, implementation="splash")
        return sum(jnp.sum(y.astype(jnp.float32)) for y in outs)

    with jax.set_mesh(sharding.make_mesh({"data": 2, "seq": 4})):
        traced = jax.jit(jax.grad(scalar)).trace(
            [attention.Part(x, x, x)], attention.Part(*3 * [text])
        )
        program = traced.lower(lowering_platforms=("tpu",)).as_text()
    assert "tpu_custom_call" in program
    assert "all_to_all" in program
    sizes = [
        np.prod([int(n) for n in shape.split("x")])
        for shape in re.findall(r"tensor<((?:\d+x)+\d+)x", program)
    ]
    assert max(sizes) < (3 * 1360) ** 2 / 4


@pytest.mark.parametrize(
    "length,most,expected",
    [
        (40, 2048, 128),
        (513, 2048, 640),
        (6606, 2048, 1664),  # 4 blocks: 6656
        (6298, 630, 640 - 128),
        (49422, 2048, 1152),
        (8192, 1024, 1024),
    ],
)
def test_blocks_pad_little(length, most, expected):
    assert splash.block(length, most) == expected


@pytest.mark.parametrize(
    "tokens,heads,expected", [(6606, 24, 1), (49422, 6, 2), (49422, 24, 6), (10**6, 3, 3)]
)
def test_groups_of_heads_keep_buffers_small(tokens, heads, expected):
    assert splash.groups(tokens, heads) == expected
