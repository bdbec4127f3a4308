"""Laws of the correspondence losses: what matches is cheap, what is shuffled is dear."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.losses import correspondence
from daflow_jax.ops import tokens as ops

GRID, CELL, SHIFT = (5, 7), 4, (2, 1)  # tokens; pixels; tokens right and down
ONE = jnp.ones(1)


def _moved(x):
    """Returns the frames (1, 2, h, w, c): x, and x moved by `SHIFT` (around the border)."""
    return jnp.stack([x, jnp.roll(x, (SHIFT[1], SHIFT[0]), (0, 1))])[None]


@pytest.fixture(scope="module")
def scene():
    """Tokens (1, 2, n, c) that identify their place in the scene, pixels, and true flow."""
    count = GRID[0] * GRID[1]
    tokens = _moved(jnp.eye(count).reshape(*GRID, count)).reshape(1, 2, count, count)
    coarse = _moved(jax.random.uniform(jax.random.key(0), (*GRID, 3)))
    frames = jnp.repeat(jnp.repeat(coarse, CELL, 2), CELL, 3)
    flow = jnp.broadcast_to(jnp.array(SHIFT) * float(CELL), (1, 1, *frames.shape[2:4], 2))
    return tokens, frames, flow


def _match(tokens, flow, visible=None, weight=ONE):
    visible = jnp.ones(flow.shape[:-1], bool) if visible is None else visible
    moved, seen = ops.flow(flow, visible, CELL)
    return float(correspondence.match_loss(tokens, tokens, moved, seen, weight))


def _shuffled(tokens):
    return (
        jax.random.permutation(jax.random.key(1), tokens, axis=2, independent=False)
        .at[:, 0]
        .set(tokens[:, 0])
    )


def test_features_that_move_with_the_scene_match_and_shuffled_ones_do_not(scene):
    tokens, _, flow = scene
    chance = np.log(GRID[0] * GRID[1])
    assert _match(tokens, flow) < 0.05
    assert _match(_shuffled(tokens), flow) > chance
    assert _match(jnp.ones_like(tokens), flow) == pytest.approx(chance, rel=1e-5)


def test_between_tokens_the_truth_is_shared_by_those_around(scene):
    tokens, _, flow = scene
    key = tokens[:, 1].reshape(1, *GRID, -1)
    halves = tokens.at[:, 0].set((key + jnp.roll(key, -1, 2)).reshape(tokens[:, 0].shape))
    half = jnp.zeros_like(flow).at[..., 0].set(CELL / 2)
    assert _match(halves, half) == pytest.approx(np.log(2), abs=0.01)  # of two
    assert _match(tokens, flow + jnp.array([CELL / 2, 0])) > 1.0


def test_only_visible_tokens_that_stay_inside_and_clips_of_weight_count(scene):
    tokens, _, flow = scene
    left = jnp.arange(flow.shape[3]) < flow.shape[3] // 2
    wrong = jnp.where(left[:, None], flow, 0.0)  # half of the truth is wrong, and hidden below
    visible = jnp.broadcast_to(left, flow.shape[:-1])
    assert _match(tokens, wrong, visible) < 0.05 < _match(tokens, wrong)
    away = jnp.full_like(flow, 1000.0)
    assert _match(tokens, away) == 0.0
    both = [jnp.concatenate(pair) for pair in ((tokens, _shuffled(tokens)), (flow, flow))]
    assert _match(*both, weight=jnp.array([1.0, 0.0])) < 0.05


def test_copying_by_true_features_restores_and_by_shuffled_ones_does_not(scene):
    tokens, frames, _ = scene
    patches = correspondence.patches_of(frames, CELL)
    assert float(correspondence.copy_loss(tokens, tokens, patches, ONE)) < 0.01
    other = _shuffled(tokens)
    assert float(correspondence.copy_loss(other, other, patches, ONE)) > 0.15
    both = jnp.concatenate([tokens, other])
    loss = correspondence.copy_loss(
        both, both, jnp.tile(patches, (2, 1, 1, 1)), jnp.array([1.0, 0])
    )
    assert float(loss) < 0.01


def test_copying_looks_both_ways(scene):
    tokens, frames, _ = scene
    patches = correspondence.patches_of(frames, CELL)
    for frame in (0, 1):
        blind = tokens.at[:, frame].set(0.0)  # a query that asks for nothing fetches the mean
        assert float(correspondence.copy_loss(blind, tokens, patches, ONE)) > 0.05


def test_patches_keep_the_order_of_tokens_and_average_large_cells():
    frames = jax.random.uniform(jax.random.key(2), (1, 1, 32, 48, 3))
    got = correspondence.patches_of(frames, 16).reshape(2, 3, 8, 8, 3)
    block = np.asarray(frames)[0, 0, 16:32, 32:48].reshape(8, 2, 8, 2, 3).mean((1, 3))
    np.testing.assert_allclose(got[1, 2], block, atol=1e-6)
