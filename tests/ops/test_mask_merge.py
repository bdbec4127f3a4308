"""Merging masks that look alike, against the published affinities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.ops import mask_merge
from tests.models.parity_omnimotion import folder


@pytest.mark.parametrize("part", ["a", pytest.param("b", marks=pytest.mark.slow)])
def test_published_affinities(part):
    file = folder() / f"gwm_{part}.npz"
    if not file.is_file():
        pytest.skip("set DAFLOW_MOTION_GOLDEN to a folder with all sets")
    with np.load(file) as g:
        masks, features = jax.nn.softmax(g["logits"], -1), jnp.asarray(g["features"])
        found = mask_merge.affinity(masks, features)
        np.testing.assert_allclose(found, g["affinity"], atol=2e-6)
    assert mask_merge.halves(found).shape == found.shape[:2]


def test_halves_keep_what_is_alike_together():
    like = jnp.asarray(
        [[1, 0.1, 0.9, 0.1], [0.1, 1, 0.1, 0.8], [0.9, 0.1, 1, 0.2], [0.1, 0.8, 0.2, 1]]
    )
    assert mask_merge.halves(like[None]).tolist() == [[0, 1, 0, 1]]
