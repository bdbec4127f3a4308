"""A second cost volume: RAFT to the bit at the start, learned from there, from any source."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, models
from daflow_jax.models.daflow_cost import entry, lift
from daflow_jax.models.daflow_cost.config import DAFlowCostConfig, LiftConfig
from daflow_jax.ops import windows
from tests import tiny

FRAMES = jax.random.uniform(jax.random.key(0), (1, 3, 128, 128, 3))
NOISE = {"noise": jax.random.key(3)}
SOURCES = {
    "windows": dict(windows=(20, 40)),
    "lift": dict(windows=(40,), lift=LiftConfig(1, 32, 2)),
    "diffusion": dict(lift=LiftConfig(1, 32, 2, "frame", True)),
    "other frame": dict(other_frame=True),
    "trunk": dict(trunk=models.preset("rrdb-nano"), taps=("0", "1/hidden"), shrink=4),
}


def _config(name: str) -> DAFlowCostConfig:
    return DAFlowCostConfig(tiny.config(), channels=8, branch=8, **SOURCES[name])


@functools.cache
def network(name: str):
    """Returns module and drawn variables, with the true zeros of a new network."""
    module = models.build(_config(name))
    rngs = {"params": jax.random.key(1), **NOISE}
    abstract = jax.eval_shape(functools.partial(module.init, iters=1), rngs, FRAMES)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda s: rng.normal(0, 0.1, s.shape).astype(s.dtype), abstract["params"])
    last = params["flow"]["update"]["second"]["conv2"]
    params["flow"]["update"]["second"]["conv2"] = jax.tree.map(np.zeros_like, last)
    return module, {"params": params}


def _run(module, **static):
    return jax.jit(functools.partial(module.apply, iters=2, rngs=NOISE, **static))


RAFT = jax.jit(functools.partial(models.build(tiny.config()).apply, iters=2))


@pytest.mark.parametrize(
    "name",
    [
        "windows",
        *(pytest.param(name, marks=pytest.mark.slow) for name in SOURCES if name != "windows"),
    ],
)
def test_a_new_network_equals_its_raft_bit_for_bit(name):
    module, variables = network(name)
    ours = _run(module)(variables, FRAMES)
    own = jax.tree.map(lambda x: x, variables["params"]["flow"])
    own["update"].pop("second")
    theirs = RAFT({"params": own}, FRAMES)
    np.testing.assert_array_equal(ours.flows, theirs.flows)
    np.testing.assert_array_equal(ours.low, theirs.low)


@pytest.mark.slow
def test_the_true_initialisation_has_these_zeros_and_a_gain():
    module, _ = network("windows")
    variables = jax.jit(functools.partial(module.init, iters=1))(
        {"params": jax.random.key(0), **NOISE}, FRAMES
    )
    second = variables["params"]["flow"]["update"]["second"]
    assert not any(np.any(x) for x in jax.tree.leaves(second["conv2"]))
    assert np.any(second["conv1"]["kernel"]) and variables["params"]["gain"] == 8


@pytest.mark.slow
def test_the_zero_input_learns_first_then_gain_and_projection_and_foreign_frames_matter():
    module, variables = network("windows")

    def loss(params, seen):
        out = module.apply(
            {"params": params}, FRAMES, iters=2, rngs=NOISE, backbone_frames=seen
        )  # fmt: skip
        return jnp.sum(jnp.square(out.flows))

    value_and_grad = jax.jit(jax.value_and_grad(loss))
    _, grads = value_and_grad(variables["params"], FRAMES)
    last = grads["flow"]["update"]["second"]["conv2"]["kernel"]
    assert float(jnp.abs(last).max()) > 0 and float(grads["gain"]) == 0
    moved = jax.tree.map(lambda x: x, variables["params"])
    moved["flow"]["update"]["second"]["conv2"]["kernel"] = -0.1 * last / jnp.abs(last).max()
    own, grads = value_and_grad(moved, FRAMES)
    assert float(grads["gain"]) != 0
    assert float(jnp.abs(grads["project"]["kernel"]).max()) > 0
    foreign, _ = value_and_grad(moved, FRAMES[:, ::-1])
    assert float(own) != float(foreign)


def test_configurations_of_a_trunk_survive_json_and_name_what_is_wrong():
    config = _config("trunk")
    assert models.from_dict(models.to_dict(config)) == config
    by_name = dict(windows=(), trunk="rrdb-nano", taps=("0",), shrink=4)
    assert models.preset("daflow-cost-windows", **by_name).trunk == models.preset("rrdb-nano")
    for changes, said in (
        (dict(windows=()), "no source of descriptors"),
        (dict(windows=(44,)), "windows: 44 px"),
        (dict(shrink=3), "Use a divisor of 8"),
        (dict(taps=("1",)), "taps and trunk go together"),
        (dict(trunk="rrdb-nan", taps=("1",)), "Did you mean rrdb-nano"),
        ({"lift.width": 100}, "Use a multiple of 48"),
    ):
        with pytest.raises(errors.UserError, match=said):
            models.preset("daflow-cost-windows", **changes)
    wrong = dataclasses.replace(config, taps=("7",))
    with pytest.raises(errors.UserError, match="tap '7'.*has no such tap"):
        entry.check_call(wrong, {})


def test_windows_are_means_around_tokens():
    frame = jnp.arange(24 * 32, dtype=jnp.float32).reshape(1, 24, 32, 1)
    found = windows.averaged(frame, 8, 40)
    assert found.shape == (1, 3, 4, 25)
    np.testing.assert_allclose(found[0, 1, 2, 12], frame[0, 8:16, 16:24].mean())
    np.testing.assert_allclose(found[0, 0, 0, 18], frame[0, 8:16, 8:16].mean())
    fine = windows.averaged(frame, 8, 20)
    np.testing.assert_allclose(fine[0, 1, 1, 0], frame[0, 2:6, 2:6].mean())
    np.testing.assert_allclose(windows.standardised(found).mean((1, 2)), 0, atol=1e-5)


def test_attention_of_the_lift_reads_differences_of_places_alone():
    turns = lift.angles((2, 3, 5), 16)
    query, key = jax.random.normal(jax.random.key(0), (2, 16))
    spread = lambda x: jnp.broadcast_to(x, (1, 2, 15, 1, 16))  # noqa: E731
    q, k = lift.rotated(spread(query), turns), lift.rotated(spread(key), turns)
    products = jnp.einsum("bfnmd,bgkmd->fngk", q, k)
    np.testing.assert_allclose(products[0, 0, 1, 6], products[0, 1, 1, 7], rtol=1e-4)
    np.testing.assert_allclose(products[0, 0, 0, 5], products[1, 5, 1, 10], rtol=1e-4)
    assert abs(float(products[0, 0, 0, 1] - products[0, 0, 0, 5])) > 1e-4
