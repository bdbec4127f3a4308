"""The bilinear sampler against published results and at its borders."""

import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.ops import coords, sample

GOLDEN = [np.load(f"tests/golden/ops/ops_{name}.npz") for name in "ab"]


@pytest.mark.parametrize("golden", GOLDEN)
def test_bilinear_equals_the_published_sampler(golden):
    at = jnp.asarray(golden["coords_xy"])
    got = sample.bilinear(jnp.asarray(golden["img"]), at)
    np.testing.assert_allclose(got, golden["bilinear_sampler"], atol=2e-5)
    mask = sample.inside(at, *golden["img"].shape[1:3])
    np.testing.assert_array_equal(mask, golden["bilinear_sampler_mask"] > 0)


def test_bilinear_at_pixel_centres_returns_the_image_for_any_batch_shape():
    image = jnp.asarray(np.random.default_rng(0).random((2, 3, 5, 7, 4)), jnp.float32)
    grid = jnp.broadcast_to(coords.pixel_grid(5, 7), (2, 3, 5, 7, 2))
    np.testing.assert_array_equal(sample.bilinear(image, grid), image)
    np.testing.assert_array_equal(sample.bilinear(image[0, 0], grid[0, 0]), image[0, 0])


def test_borders_fade_to_zero_or_repeat_the_edge():
    image = jnp.asarray([[[2.0], [4.0]]])  # one row
    at = jnp.asarray([[[-0.5, 0.0], [-1.0, 0.0], [1.25, 0.0], [1.0, 9.0]]])
    got = sample.bilinear(image, at)
    np.testing.assert_allclose(got[..., 0], [[1.0, 0.0, 3.0, 0.0]])
    got = sample.bilinear(image, at, "edge")
    np.testing.assert_allclose(got[..., 0], [[2.0, 2.0, 4.0, 4.0]])
