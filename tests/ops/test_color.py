"""Laws of the colour fix; its values are compared with published ones in tests/models."""

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.ops import color

CONTENT, STYLE = (jax.random.uniform(jax.random.key(i), (2, 20, 24, 3)) for i in range(2))


def test_adain_takes_mean_and_spread_of_the_style():
    style = 0.2 * STYLE + jnp.array([0.1, 0.4, 0.6])
    out = color.adain(CONTENT, style)
    np.testing.assert_allclose(out.mean((1, 2)), style.mean((1, 2)), atol=1e-5)
    np.testing.assert_allclose(out.std((1, 2)), style.std((1, 2)), atol=1e-4)


def test_wavelet_keeps_detail_and_takes_a_shift_of_colour():
    shifted = CONTENT + jnp.array([0.3, 0.0, -0.2])
    np.testing.assert_allclose(color.wavelet(CONTENT, shifted), shifted, atol=1e-6)
    np.testing.assert_allclose(sum(color.split(CONTENT)), CONTENT, atol=1e-6)


def test_both_return_a_picture_given_itself():
    for fix in (color.adain, color.wavelet):
        np.testing.assert_allclose(fix(CONTENT, CONTENT), CONTENT, atol=1e-5)


def test_frames_are_fixed_one_by_one():
    alone = jnp.stack([color.adain(c, s) for c, s in zip(CONTENT, STYLE, strict=True)])
    np.testing.assert_allclose(color.adain(CONTENT, STYLE), alone, atol=1e-6)
