"""DA-Flow as a whole: its RAFT at the start, any size and length, published size by shape."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, models
from daflow_jax.convert import engine
from daflow_jax.models.daflow.dpt import DPTHead
from daflow_jax.models.daflow.model import Fuse

TINY = dataclasses.replace(
    models.preset(
        "daflow-nano",
        **{
            "backbone.dit.depth": 4,
            "backbone.dit.heads": 2,
            "backbone.dit.head_dim": 16,
            "backbone.dit.taps": (0, 1, 2, 3),
        },
    ),
    matching_features=16,
    context_features=16,
    channels=(16, 16, 16, 16),
)


def _filled(module, frames):
    """Returns variables of random numbers with the true start of the two parts that DA-Flow zeroes:
    compiling the whole initialisation takes longer than all tests of this file."""
    rngs = {"params": jax.random.key(1), "noise": jax.random.key(2)}
    abstract = jax.eval_shape(functools.partial(module.init, iters=1), rngs, frames)
    rng = np.random.default_rng(0)
    fill = lambda s: jnp.asarray(rng.normal(0, 0.1, s.shape), s.dtype)  # noqa: E731
    params = jax.tree.map(fill, abstract["params"])
    bound = module.bind({"params": params})
    last = DPTHead(bound.dpt_key.config)
    tokens = tuple(jnp.zeros((1, 4, 32)) for _ in range(4))
    params["dpt_key"] = jax.jit(lambda k: last.init(k, tokens, (2, 2)))(rngs["params"])["params"]
    image, diffusion = jnp.zeros((1, 2, 2, 160)), jnp.zeros((1, 2, 2, 16))
    params["fuse"] = Fuse().init(rngs["params"], image, diffusion)["params"]
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(lambda s: s.shape, abstract["params"])
    return {"params": params}


@pytest.fixture(scope="module")
def network():
    module = models.build(TINY)
    frames = jax.random.uniform(jax.random.key(0), (1, 3, 128, 144, 3))
    return module, _filled(module, frames), frames


@pytest.mark.slow
def test_whole_initialisation_equals_its_raft_too(network):
    module, _, frames = network
    rngs = {"params": jax.random.key(1), "noise": jax.random.key(2)}
    variables = jax.jit(functools.partial(module.init, iters=1))(rngs, frames)
    ours = _run(module)(variables, frames, rngs={"noise": jax.random.key(3)})
    raft = _run(models.build(TINY.flow))({"params": variables["params"]["flow"]}, frames)
    np.testing.assert_array_equal(ours.flows, raft.flows)


def _run(module, **static):
    return jax.jit(functools.partial(module.apply, iters=3, **static))


def test_new_network_equals_its_raft_bit_for_bit(network):
    module, variables, frames = network
    ours = _run(module)(variables, frames, rngs={"noise": jax.random.key(3)})
    raft = _run(models.build(TINY.flow))({"params": variables["params"]["flow"]}, frames)
    np.testing.assert_array_equal(ours.flows, raft.flows)
    np.testing.assert_array_equal(ours.low, raft.low)


@pytest.mark.slow
def test_query_head_learns_while_the_key_head_is_zero_and_taps_then_matter(network):
    module, variables, frames = network

    def loss(params, key, seen):
        options = {"iters": 2, "backbone_frames": seen, "rngs": {"noise": key}}
        out = module.apply({"params": params}, frames, **options)
        return jnp.sum(jnp.square(out.flows))

    value_and_grad = jax.jit(jax.value_and_grad(loss))
    _, grads = value_and_grad(variables["params"], jax.random.key(3), frames)
    last = grads["dpt_key"]["output_conv"]["kernel"]
    assert float(jnp.abs(last).max()) > 0  # the way out of zero
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))
    moved = jax.tree.map(lambda p: p, variables["params"])
    moved["dpt_key"]["output_conv"]["kernel"] = -0.1 * last / jnp.abs(last).max()
    drawn = ((3, frames), (4, frames), (3, frames[:, ::-1]))
    values = {float(value_and_grad(moved, jax.random.key(k), seen)[0]) for k, seen in drawn}
    assert len(values) == 3  # noise, and what the backbone sees, now reach the flow


@pytest.mark.slow
def test_joint_normalisation_scales_both_parts():
    module = models.build(dataclasses.replace(TINY, corr_norm="joint"))
    fmaps = jax.random.normal(jax.random.key(0), (1, 2, 16, 16, 128))
    query, key = (jax.random.normal(jax.random.key(i), (1, 16, 16, 16)) for i in (1, 2))
    frames = jnp.zeros((1, 2, 128, 128, 3))
    rngs = {"params": jax.random.key(0), "noise": jax.random.key(0)}
    abstract = jax.eval_shape(functools.partial(module.init, iters=1), rngs, frames)
    bound = module.bind(jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), abstract))
    corr = bound.correlate(fmaps, query, key)
    first = jnp.concatenate([fmaps[:, 0], query], -1).reshape(256, 144)
    second = jnp.concatenate([fmaps[:, 1], key], -1).reshape(256, 144)
    volume = (first @ second.T / 12).reshape(256, 16, 16)
    np.testing.assert_allclose(corr.levels[0][0, corr.spare : -corr.spare], volume, atol=1e-4)


@pytest.mark.parametrize(
    "name, frames",
    [
        pytest.param("daflow-base", 3, marks=pytest.mark.slow),
        ("daflow-base", 2),
        pytest.param("daflow-small", 5, marks=pytest.mark.slow),
    ],
)
def test_published_size_by_shape(name, frames):
    module = models.build(models.preset(name))
    rngs = {"params": jax.random.key(0), "noise": jax.random.key(0)}
    clip = jax.ShapeDtypeStruct((2, frames, 128, 160, 3), jnp.float32)
    out, variables = jax.eval_shape(functools.partial(module.init_with_output, iters=2), rngs, clip)
    assert out.flows.shape == (1, 2, frames - 1, 128, 160, 2)
    assert out.low.shape == (2, frames - 1, 16, 20, 2)
    if name == "daflow-base":
        count = lambda part: sum(x.size for x in jax.tree.leaves(variables["params"][part]))  # noqa: E731
        # VGGT's head from 1536 channels with 256 and 128 features; RAFT as published
        assert [count(p) for p in ("dpt_query", "dpt_context", "flow")] == [
            21_245_184,
            11_166_592,
            5_257_536,
        ]


def test_configurations_survive_json_and_name_what_is_wrong():
    for config in models.PRESETS.values():
        assert models.from_dict(models.to_dict(config)) == config
    with pytest.raises(errors.UserError, match="Did you mean daflow-nano"):
        models.preset("daflow-nan")
    with pytest.raises(
        errors.UserError, match="model.flow.lookp: is not a field. Did you mean lookup"
    ):
        models.preset("daflow-nano", **{"flow.lookp": "gather"})
    with pytest.raises(errors.UserError, match="unknown fields"):
        models.from_dict(models.to_dict(models.preset("raft")) | {"extra": 1})
    assert engine.flatten({"a": {"b": 1}}) == {"a/b": 1}
