"""Zero-shot matching: exact on features that move, chance on noise, zero flow as it should be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.metrics import correspondence

GRID, CELL, SHIFT = (9, 12), 4, (3, -2)  # tokens; pixels; tokens right and up


def _truth(shift=SHIFT):
    flow = jnp.broadcast_to(CELL * jnp.array(shift, jnp.float32), (1, 36, 48, 2))
    return flow, jnp.ones(flow.shape[:-1], bool)


def _features(noise=0.0):
    keys = jax.random.split(jax.random.key(0), 3)
    first = jax.random.normal(keys[0], (1, *GRID, 24))
    second = jnp.roll(first, (SHIFT[1], SHIFT[0]), (1, 2))
    return tuple(
        x + noise * jax.random.normal(key, x.shape)
        for x, key in zip((first, second), keys[1:], strict=True)
    )


def _score(flow, **shift):
    return {
        k: float(m.compute()) for k, m in correspondence.score(flow, *_truth(**shift), CELL).items()
    }


def test_features_that_move_with_the_scene_match():
    score = _score(correspondence.matches(*_features()))
    assert score["pck"] == 1.0 and score["epe"] < 0.2  # the refinement leans to neighbours a little


def test_noise_matches_by_chance():
    flow = correspondence.matches(_features(noise=100.0)[0], _features()[1])
    score = _score(flow)
    assert score["pck"] < 0.15 and score["epe"] > 2 * CELL


def test_zero_flow_errs_by_the_length_of_the_truth():
    score = _score(jnp.zeros((1, *GRID, 2)))
    assert score["epe"] == pytest.approx(CELL * np.hypot(*SHIFT)) and score["pck"] == 0.0


def test_only_visible_tokens_that_stay_inside_count():
    flow, visible = _truth()
    visible = visible.at[:, :, 24:].set(False)
    zero = jnp.zeros((1, *GRID, 2))
    tokens = (GRID[0] - 2) * 6  # two rows leave upwards, half of the columns is hidden
    assert correspondence.score(zero, flow, visible, CELL)["epe"].weight == tokens


@pytest.mark.slow
def test_raw_patches_find_a_shifted_picture_at_any_cell():
    picture = jax.random.uniform(jax.random.key(1), (1, 96, 96, 3))
    for patch_size, shift in ((8, (16, 8)), (24, (24, 0))):
        moved = jnp.roll(picture, (shift[1], shift[0]), (1, 2))
        flow = correspondence.patch_matches(picture, moved, patch_size)
        truth = jnp.broadcast_to(jnp.array(shift, jnp.float32), (1, 96, 96, 2))
        inner = jnp.zeros((1, 96, 96), bool).at[:, 16:64, 16:64].set(True)
        score = correspondence.score(flow, truth, inner, patch_size)
        assert score["pck"].compute() == 1.0 and score["epe"].compute() < patch_size / 4


def test_chunks_and_batches_change_nothing(monkeypatch):
    query, key = (jnp.concatenate([x, x[:, ::-1]]) for x in _features(noise=1.0))
    whole = correspondence.matches(query, key)
    monkeypatch.setattr(correspondence, "CHUNK", 7)
    np.testing.assert_allclose(correspondence.matches(query[1:], key[1:]), whole[1:], atol=1e-4)
