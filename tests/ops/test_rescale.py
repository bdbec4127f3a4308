"""Resizing as the published networks do it, and laws of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.nn import deconv, prelu
from daflow_jax.ops import rescale, warp
from tests.models import published_rife as published

GOLDEN = published.OWN / "rife_ops_a.npz"


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(GOLDEN))


@pytest.mark.parametrize(
    "name, factor", [("half", 0.5), ("quarter", 0.25), ("eighth", 0.125), ("twice", 2.0)]
)
def test_equals_the_published_resize(golden, name, factor):
    ours = rescale.rescale(jnp.asarray(golden["img"]), factor)
    np.testing.assert_allclose(ours, golden[f"resize_{name}"], rtol=0, atol=4e-6)


def test_equals_the_published_resize_to_a_size(golden):
    ours = rescale.resize(jnp.asarray(golden["img"]), (7, 9))
    np.testing.assert_allclose(ours, golden["resize_to_7x9"], rtol=0, atol=3e-5)


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0, 4.0, 16.0])
def test_short_cuts_equal_the_matrix_product(factor):
    x = jax.random.normal(jax.random.key(0), (2, 8, 12, 3))
    whole = x
    for axis in (1, 2):
        side = int(whole.shape[axis] * factor)
        whole = rescale._product(whole, axis, side, factor)
    np.testing.assert_allclose(rescale.rescale(x, factor), whole, atol=1e-6)
    assert rescale.rescale(x, 1.0) is x and rescale.rescale(x, 0.125).shape == (2, 1, 1, 3)


def test_warp_and_layers_equal_the_published_ones(golden):
    img = jnp.asarray(golden["img"])
    warped = warp.warp(img, jnp.asarray(golden["flow"]), "edge")
    np.testing.assert_allclose(warped, golden["warp_out"], rtol=0, atol=9e-5)
    kernel = jnp.asarray(golden["deconv_weight"].transpose(2, 3, 0, 1))
    up = deconv.deconv2d(jnp.asarray(golden["deconv_in"]), kernel) + golden["deconv_bias"]
    np.testing.assert_allclose(up, golden["deconv4s2"], rtol=0, atol=1.5e-5)
    slope = {"params": {"slope": jnp.asarray(golden["prelu_slope"])}}
    act = prelu.PReLU().apply(slope, jnp.asarray(golden["conv3s2"]))
    np.testing.assert_allclose(jnp.asarray(act), golden["conv3s2_prelu"], rtol=0, atol=1e-6)


def test_gradient_of_a_warp_by_whole_pixels_is_the_difference_to_the_next_one():
    image = jnp.arange(5.0)[None, :, None] ** 2 * jnp.ones((5, 1, 1))  # columns 0, 1, 4, 9, 16

    def total(shift):
        return warp.warp(image, jnp.full((5, 5, 2), shift), "edge")[2, :, 0]

    slope = jax.jacfwd(total)(0.0)
    np.testing.assert_allclose(slope, [0, 3, 5, 7, 0])  # clamped at both ends


def test_pixel_shuffle_equals_the_published_one(golden):
    from daflow_jax.models.rife import block

    ours = block.pixel_shuffle(jnp.asarray(golden["shuffle_in"]))
    np.testing.assert_array_equal(ours, golden["pixel_shuffle2"])
