"""SEA-RAFT against the published network, and laws of its call."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, models
from daflow_jax.convert import engine
from tests.models import parity, parity_sea_raft, published_raft


@pytest.mark.parametrize(
    "name, part, lookup",
    [
        ("sea-raft-s", "a", "gather"),
        pytest.param("sea-raft-s", "b", "matmul", marks=pytest.mark.slow),
        pytest.param("sea-raft-m", "a", "matmul", marks=pytest.mark.slow),
        pytest.param("sea-raft-m", "b", "gather", marks=pytest.mark.slow),
        pytest.param("sea-raft-l", "a", "gather", marks=pytest.mark.slow),
    ],
)
def test_every_stage_equals_published_network(name, part, lookup):
    golden = np.load(published_raft.GOLDEN / f"{name.replace('-', '_')}_{part}.npz")
    parity.check(parity_sea_raft.rows(name, part, lookup), golden, parity_sea_raft.INPUTS)


@pytest.fixture(scope="module")
def small():
    """Returns (module, variables, compiled call with all predictions) of a narrow network."""
    config = models.preset("sea-raft-s", widths=(8, 8, 8, 8), features=32, hidden=16, context=16)
    module = models.build(config)
    shapes = published_raft.targets(module, jnp.zeros((1, 2, 128, 128, 3)))
    rng = np.random.default_rng(0)
    flat = {path: rng.normal(size=s) / np.prod(s[:-1]) ** 0.5 for path, s in shapes.items()}
    flat |= {path: np.ones(s) for path, s in shapes.items() if path.endswith("/var")}
    variables = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), engine.unflatten(flat))
    return module, variables, jax.jit(functools.partial(module.apply, iters=1, all_iterations=True))


@pytest.mark.slow
def test_clip_of_three_frames_equals_its_two_pairs_and_last_prediction_alone(small):
    module, variables, every = small
    clip = jax.random.uniform(jax.random.key(0), (1, 3, 128, 136, 3))
    pairs = jnp.concatenate([clip[:, :2], clip[:, 1:]])
    last = jax.jit(functools.partial(module.apply, iters=1))(variables, clip)
    assert last.flows.shape[0] == last.info.shape[0] == 1
    out = every(variables, pairs)
    assert out.flows.shape[0] == out.info.shape[0] == 2
    np.testing.assert_allclose(last.flows[0, 0], out.flows[-1, :, 0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(last.info[0, 0], out.info[-1, :, 0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(last.low[0], out.low[:, 0], rtol=0, atol=1e-4)


@pytest.mark.slow
def test_start_takes_the_place_of_the_regressed_flow(small):
    module, variables, every = small
    clip = jax.random.uniform(jax.random.key(0), (2, 2, 128, 136, 3))
    cold = every(variables, clip)
    warm = every(variables, clip, init_flow=jnp.full_like(cold.low, 0.5))
    inside = np.s_[0, :, 0, 8:-8, 8:-8]  # zeros outside the grid pull the border down
    np.testing.assert_allclose(warm.flows[inside], 4.0, atol=1e-5)
    np.testing.assert_allclose(warm.info[0], cold.info[0], atol=1e-6)


def test_running_statistics_of_the_features_move_once_per_frame(small):
    module, variables, _ = small
    clip = jax.random.uniform(jax.random.key(0), (2, 2, 128, 128, 3)).at[:, 1].multiply(0.2)
    features = jax.jit(
        functools.partial(module.apply, train=True, mutable=["batch_stats"], method="features")
    )

    def moved(frames):
        return features(variables, frames)[1]["batch_stats"]["fnet"]["norm1"]["mean"]

    before = variables["batch_stats"]["fnet"]["norm1"]["mean"]
    first, second = (
        (moved(jnp.stack([clip[:, frame]] * 2, axis=1)) - 0.81 * before) / 0.19 for frame in (0, 1)
    )  # a frame twice moves the mean twice
    expected = 0.9 * (0.9 * before + 0.1 * first) + 0.1 * second
    np.testing.assert_allclose(moved(clip), expected, atol=1e-6)


def test_either_twin_converts():
    module, expected = published_raft.load("sea-raft-s", 0)
    state = published_raft.state_dict("sea-raft-s", 0)
    for twin in ("bn3", "downsample.1"):
        alone = {k: v for k, v in state.items() if f".{twin}." not in k}
        assert len(alone) < len(state)
        same = jax.tree.map(np.array_equal, published_raft.convert(module, alone), expected)
        assert all(jax.tree.leaves(same))


def test_published_sizes():
    counts = {"sea-raft-s": 8_883_460, "sea-raft-m": 19_663_876, "sea-raft-l": 19_663_876}
    for name, count in counts.items():
        module = models.build(models.preset(name))
        shapes = jax.eval_shape(
            lambda m=module: m.init(jax.random.key(0), jnp.zeros((1, 2, 128, 128, 3)), 1)
        )
        assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count


def test_bounds_of_the_wrong_sign_are_refused():
    with pytest.raises(errors.UserError, match="the first is at most 0"):
        models.preset("sea-raft-s", var_min=1.0)
