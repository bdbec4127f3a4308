"""Backward warping against published results, and its direction."""

import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.ops import warp

GOLDEN = [np.load(f"tests/golden/ops/ops_{name}.npz") for name in "ab"]


@pytest.mark.parametrize("golden", GOLDEN)
def test_warp_equals_the_published_one(golden):
    got = warp.warp(jnp.asarray(golden["img"]), jnp.asarray(golden["flow"]))
    np.testing.assert_allclose(got, golden["warp_zeros"], atol=4e-5)


def test_warp_brings_the_second_frame_onto_the_grid_of_the_first():
    first = np.random.default_rng(0).random((6, 9, 3)).astype(np.float32)
    second = np.roll(first, (1, 2), axis=(0, 1))  # everything moves 2 right and 1 down
    flow = jnp.broadcast_to(jnp.asarray([2.0, 1.0]), (6, 9, 2))
    back = warp.warp(jnp.asarray(second), flow)
    np.testing.assert_array_equal(back[:5, :7], first[:5, :7])
    assert (back[5] == 0).all()
    edge = warp.warp(jnp.asarray(second), flow, "edge")
    np.testing.assert_array_equal(edge[5, :7], second[5, 2:])
