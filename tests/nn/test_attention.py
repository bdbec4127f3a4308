import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, AxisType

from daflow_jax.nn import attention
from daflow_jax.nn.attention import blockwise


def _inputs(queries=21, keys=37, heads=2, width=8):
    keys_of = jax.random.split(jax.random.key(0), 4)
    lengths = (queries, keys, keys, queries)  # the last one stands for an output
    return [
        2 * jax.random.normal(k, (2, n, heads, width))
        for k, n in zip(keys_of, lengths, strict=True)
    ]


def _reference(query, key, value):
    """Softmax attention in NumPy, float64."""
    query, key, value = (np.asarray(x, np.float64) for x in (query, key, value))
    logits = np.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(query.shape[-1])
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return np.einsum("bhqk,bkhd->bqhd", weights / weights.sum(-1, keepdims=True), value)


@pytest.mark.parametrize("implementation", ["plain", "blockwise"])
@pytest.mark.parametrize("keys", [5, 37])
def test_attend_equals_softmax_in_float64(implementation, keys, monkeypatch):
    monkeypatch.setattr(blockwise, "BLOCK", 16)
    query, key, value, _ = _inputs(keys=keys)
    ours = jax.jit(functools.partial(attention.attend, implementation=implementation))(
        query, key, value
    )
    np.testing.assert_allclose(ours, _reference(query, key, value), atol=2e-6)


@pytest.mark.parametrize("implementation", ["plain", "blockwise"])
def test_tail_counts_as_repeated_keys(implementation, monkeypatch):
    monkeypatch.setattr(blockwise, "BLOCK", 16)
    query, key, value, _ = _inputs()
    ours = attention.attend(query, key, value, tail=(4, 3), implementation=implementation)
    key, value = (jnp.concatenate([x, x[:, -4:], x[:, -4:]], 1) for x in (key, value))
    np.testing.assert_allclose(ours, _reference(query, key, value), atol=2e-6)


def test_blockwise_gradient_equals_plain(monkeypatch):
    monkeypatch.setattr(blockwise, "BLOCK", 16)
    *inputs, weight = _inputs()

    def scalar(implementation, *inputs):
        out = attention.attend(*inputs, tail=(5, 3), implementation=implementation)
        return jnp.sum(out * weight)

    ours, plain = (
        jax.jit(jax.grad(functools.partial(scalar, name), argnums=(0, 1, 2)))(*inputs)
        for name in ("blockwise", "plain")
    )
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


def test_blockwise_holds_no_square_buffer():
    length = 2048
    x = jax.ShapeDtypeStruct((1, length, 2, 16), jnp.float32)

    def scalar(query, key, value):
        return jnp.sum(attention.attend(query, key, value, implementation="blockwise"))

    compiled = jax.jit(jax.grad(scalar, argnums=(0, 1, 2))).lower(x, x, x).compile()
    square = 2 * length**2 * 4
    assert compiled.memory_analysis().temp_size_in_bytes < square / 4


def test_attend_keeps_bfloat16_and_stays_near():
    query, key, value, _ = (x.astype(jnp.bfloat16) for x in _inputs())
    ours = attention.attend(query, key, value, implementation="blockwise")
    assert ours.dtype == jnp.bfloat16
    np.testing.assert_allclose(ours.astype(jnp.float32), _reference(query, key, value), atol=0.05)


def test_cudnn_refuses_float32():
    query, key, value, _ = _inputs()
    with pytest.raises(ValueError, match="cudnn attention got float32; it needs bfloat16"):
        attention.attend(query, key, value, implementation="cudnn")


def test_merge_frames_keeps_frames_together():
    x = jax.random.normal(jax.random.key(0), (2, 3, 5, 4))
    np.testing.assert_array_equal(attention.merge_frames(x)[:, 5:10], x[:, 1])


def test_cudnn_repeats_counted_keys(monkeypatch):
    """The fused kernel needs a GPU: here its stand-in checks what it is given."""
    stock = jax.nn.dot_product_attention

    def stand_in(query, key, value, implementation):
        assert implementation == "cudnn"
        return stock(query, key, value, implementation="xla")

    monkeypatch.setattr(jax.nn, "dot_product_attention", stand_in)
    query, key, value, _ = (x.astype(jnp.bfloat16) for x in _inputs())
    ours, plain = (
        attention.attend(query, key, value, tail=(4, 3), implementation=name)
        for name in ("cudnn", "plain")
    )
    np.testing.assert_allclose(ours.astype(jnp.float32), plain.astype(jnp.float32), atol=0.06)


def test_unknown_implementation_is_refused():
    query, key, value, _ = _inputs()
    with pytest.raises(ValueError, match="'flash'; use one of auto, plain, blockwise"):
        attention.attend(query, key, value, implementation="flash")


@pytest.mark.parametrize(
    "platform,kind,dtype,width,expected",
    [
        ("tpu", "TPU v5 lite", jnp.float32, 64, "splash"),
        ("gpu", "NVIDIA H200", jnp.bfloat16, 64, "cudnn"),
        ("gpu", "NVIDIA H200", jnp.float32, 64, "blockwise"),
        ("gpu", "NVIDIA H200", jnp.bfloat16, 512, "blockwise"),
        ("gpu", "AMD Instinct MI300X", jnp.bfloat16, 64, "blockwise"),
        ("cpu", "cpu", jnp.bfloat16, 64, "blockwise"),
    ],
)
def test_auto_suits_the_devices_of_the_mesh(platform, kind, dtype, width, expected):
    """Those that a program is made for need not be here."""
    device = AbstractDevice(device_kind=kind, num_cores=None, platform=platform)
    mesh = AbstractMesh((2,), ("data",), (AxisType.Auto,), abstract_device=device)
    with jax.sharding.use_abstract_mesh(mesh):
        assert attention.choose("auto", jnp.zeros((1, 1, 1, width), dtype)) == expected


def test_auto_without_a_mesh_suits_the_default_backend():
    assert attention.choose("auto", jnp.zeros((1, 1, 1, 64), jnp.bfloat16)) == "blockwise"
