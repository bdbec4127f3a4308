"""RAFT and RAFT-small against the published networks (float32, tolerances of the fixtures)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import models
from daflow_jax.models.raft import model as raft_model
from tests.models import published_raft

# ten times the float32 error of the published network after 1, 4 and 12 iterations, in pixels
TOLERANCE = {
    "raft": {1: 5e-5, 4: 1.4e-4, 12: 4e-4},
    "raft-small": {1: 1.4e-4, 4: 5e-4, 12: 1.7e-3},
}


def _close(ours, published, tolerance):
    np.testing.assert_allclose(np.asarray(ours), published, rtol=0, atol=tolerance)


@pytest.mark.parametrize("seed, part", [(0, "a"), (1, "b")])
@pytest.mark.parametrize("name, lookup", [("raft", "gather"), ("raft-small", "matmul")])
def test_flow_equals_published_network(name, lookup, seed, part):
    golden = np.load(published_raft.GOLDEN / f"{name.replace('-', '_')}_{part}.npz")
    module, variables = published_raft.load(name, seed, lookup=lookup)
    frames = published_raft.frames(golden)
    run = jax.jit(functools.partial(module.apply, iters=12, all_iterations=True))
    out = run(variables, frames)
    for iteration, tolerance in TOLERANCE[name].items():
        key = f"flow_up_it{iteration}_s3"
        if key in golden:
            _close(out.flows[iteration - 1, :, 0, ::3, ::3], golden[key], tolerance)
    _close(out.low[:, 0], golden["flow_low_it12"], 3e-4)
    start = jnp.asarray(golden["flow_init"])[:, None]
    warm = jax.jit(functools.partial(module.apply, iters=4))(variables, frames, init_flow=start)
    _close(warm.low[:, 0], golden["init_flow_low_it4"], 3e-4)
    _close(warm.flows[0, :, 0, ::3, ::3], golden["init_flow_up_it4_s3"], 5e-4)


def test_intermediates_equal_published_network():
    golden = np.load(published_raft.GOLDEN / "raft_a.npz")
    module, variables = published_raft.load("raft", 0)
    frames = published_raft.frames(golden)
    fmaps = jax.jit(functools.partial(module.apply, method="features"))(variables, frames)
    _close(fmaps[:, 0, ..., ::8], golden["fmap1_c8"], 1.1e-4)
    _close(fmaps[:, 1, ..., ::8], golden["fmap2_c8"], 1.1e-4)
    context = jax.jit(functools.partial(module.apply, method="contexts"))(variables, frames)
    _close(jnp.tanh(context[..., :128])[..., ::8], golden["hidden0_c8"], 2e-5)
    _close(jax.nn.relu(context[..., 128:])[..., ::8], golden["context_c8"], 2e-5)


def test_last_iteration_alone_equals_last_of_all():
    golden = np.load(published_raft.GOLDEN / "raft_b.npz")
    module, variables = published_raft.load("raft", 1)
    frames = published_raft.frames(golden)
    run = functools.partial(module.apply, iters=3)
    every = jax.jit(functools.partial(run, all_iterations=True))(variables, frames).flows
    last = jax.jit(run)(variables, frames).flows
    assert every.shape[0] == 3 and last.shape[0] == 1
    _close(last[0], every[2], 1e-5)


def test_clip_of_three_frames_equals_its_two_pairs():
    module, variables = published_raft.load("raft-small", 0)
    clip = jax.random.uniform(jax.random.key(0), (1, 3, 128, 136, 3))
    run = jax.jit(functools.partial(module.apply, iters=2))
    whole = run(variables, clip).flows[0, 0]
    pairs = run(variables, jnp.concatenate([clip[:, :2], clip[:, 1:]])).flows[0, :, 0]
    _close(whole, pairs, 1e-4)


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
