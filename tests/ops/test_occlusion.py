"""Forward-backward occlusion against published masks and a scene with a known answer."""

import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.ops import occlusion, warp

GOLDEN = [np.load(f"tests/golden/ops/ops_{name}.npz") for name in "ab"]


@pytest.mark.parametrize("golden", GOLDEN)
def test_masks_equal_the_published_ones(golden):
    forward, backward = jnp.asarray(golden["fb_fwd"]), jnp.asarray(golden["fb_bwd"])
    np.testing.assert_allclose(warp.warp(backward, forward), golden["fb_warped_bwd"], atol=4e-5)
    decided = np.abs(golden["fb_margin_l2"]) >= 1e-4
    got = occlusion.forward_backward_mask(forward, backward, "l2")
    np.testing.assert_array_equal(got[decided], golden["fb_occ_fwd_l2"][decided] > 0)
    other = occlusion.forward_backward_mask(backward, forward, "l2")
    assert np.mean(np.asarray(other) == (golden["fb_occ_bwd_l2"] > 0)) > 0.998
    squared = occlusion.forward_backward_mask(forward, backward)
    assert np.mean(np.asarray(squared) == (golden["fb_occ_fwd_squared"] > 0)) > 0.998
    assert 0 < golden["fb_occ_fwd_squared"].mean() < 1


def test_moving_square_hides_the_ground_it_moves_over():
    forward, backward = np.zeros((2, 32, 32, 2), np.float32)
    forward[10:20, 8:16, 0] = 6.0  # the square in frame 1 moves 6 to the right
    backward[10:20, 14:22, 0] = -6.0
    expected = np.zeros((32, 32), bool)
    expected[10:20, 16:22] = True
    for form in ("squared", "l2"):
        got = occlusion.forward_backward_mask(jnp.asarray(forward), jnp.asarray(backward), form)
        np.testing.assert_array_equal(got, expected)
