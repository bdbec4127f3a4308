"""RAFT and RAFT-small against the published networks (float32, tolerances of the fixtures)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import models
from daflow_jax.models.raft import model as raft_model
from tests.models import parity, parity_raft, published_raft


@pytest.mark.parametrize(
    "name, lookup, part",
    [
        ("raft", "gather", "a"),
        pytest.param("raft-small", "matmul", "b", marks=pytest.mark.slow),
        pytest.param("raft", "gather", "b", marks=pytest.mark.slow),
        pytest.param("raft-small", "matmul", "a", marks=pytest.mark.slow),
    ],
)
def test_every_stage_equals_published_network(name, lookup, part):
    golden = np.load(published_raft.GOLDEN / f"{name.replace('-', '_')}_{part}.npz")
    parity.check(parity_raft.rows(name, part, lookup), golden, parity_raft.INPUTS)


def test_published_flow_holds_at_the_compilers_own_effort():
    """All other tests compile as tests/xla.py says; users do not."""
    golden = np.load(published_raft.GOLDEN / "raft_small_a.npz")
    module, variables = published_raft.load("raft-small", 0)
    clip = published_raft.frames(golden)
    run = jax.jit(functools.partial(module.apply, iters=12))
    defaults = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
    out = run.lower(variables, clip).compile(compiler_options=defaults)(variables, clip)
    name = next(key for key in golden if key.startswith("flow_up_it12"))
    ours = parity_raft.sparse(name.removeprefix("flow_up_it12"), out.flows[-1, :, 0])
    bound = parity_raft.tolerance(name, small=True)
    np.testing.assert_allclose(ours, golden[name], rtol=0, atol=bound)


@pytest.mark.slow
def test_last_iteration_alone_equals_last_of_all():
    golden = np.load(published_raft.GOLDEN / "raft_b.npz")
    module, variables = published_raft.load("raft", 1)
    frames = published_raft.frames(golden)
    run = functools.partial(module.apply, iters=3)
    every = jax.jit(functools.partial(run, all_iterations=True))(variables, frames).flows
    last = jax.jit(run)(variables, frames).flows
    assert every.shape[0] == 3 and last.shape[0] == 1
    np.testing.assert_allclose(last[0], every[2], rtol=0, atol=1e-5)


def test_clip_of_three_frames_equals_its_two_pairs():
    module, variables = published_raft.load("raft-small", 0)
    clip = jax.random.uniform(jax.random.key(0), (1, 3, 128, 136, 3))
    run = jax.jit(functools.partial(module.apply, iters=2))
    whole = run(variables, clip).flows[0, 0]
    pairs = run(variables, jnp.concatenate([clip[:, :2], clip[:, 1:]])).flows[0, :, 0]
    np.testing.assert_allclose(whole, pairs, rtol=0, atol=1e-4)


def test_batch_norm_trains_with_batch_statistics_and_moves_the_running_ones():
    module, variables = published_raft.load("raft", 0)
    clip = jax.random.uniform(jax.random.key(0), (1, 2, 128, 128, 3))
    context = jax.jit(
        functools.partial(module.apply, train=True, mutable=["batch_stats"], method="contexts")
    )
    _, updated = context(variables, clip)
    before, after = (v["batch_stats"]["cnet"]["norm1"]["mean"] for v in (variables, updated))
    assert float(jnp.abs(after - before).max()) > 1e-3


@pytest.mark.parametrize(
    "shape, rule",
    [((1, 1, 128, 128, 3), "needs 2 or more"), ((1, 2, 120, 128, 3), "at least 128")],
)
def test_wrong_frames_are_refused(shape, rule):
    module = models.build(models.preset("raft-small"))
    with pytest.raises(ValueError, match=rule):
        jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros(shape)))
    assert raft_model.RAFT is type(module)
