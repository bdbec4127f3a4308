"""Carrying flow forward, against published results."""

import numpy as np
import pytest

from daflow_jax.predict.flow import warm_start

GOLDEN = [np.load(f"tests/golden/ops/ops_{name}.npz") for name in "ab"]


@pytest.mark.parametrize("golden", GOLDEN)
def test_forward_interpolate_equals_the_published_one(golden):
    got = warm_start.forward_interpolate(golden["flow"][0])
    np.testing.assert_array_equal(got, golden["forward_interpolate"])


def test_flow_that_leaves_the_frame_gives_zero():
    got = warm_start.forward_interpolate(np.full((4, 5, 2), 100, np.float32))
    np.testing.assert_array_equal(got, np.zeros((4, 5, 2), np.float32))
