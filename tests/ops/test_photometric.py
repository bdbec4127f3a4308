"""Colours of views against PIL's and OpenCV's, and that nothing leaves [0, 1]."""

import colorsys

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.ops import photometric


def test_hue_and_blur_are_those_of_other_libraries():
    frames = np.random.default_rng(0).random((2, 12, 14, 3), np.float32)
    turned = photometric.turn_hue(jnp.asarray(frames), jnp.array([0.2, -0.4])[:, None, None])
    for k, turn in enumerate((0.2, -0.4)):
        for y, x in ((0, 0), (5, 7), (11, 13)):
            hue, saturation, value = colorsys.rgb_to_hsv(*frames[k, y, x])
            wanted = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)
            np.testing.assert_allclose(turned[k, y, x], wanted, atol=1e-5)
    blurred = photometric.blur(jnp.asarray(frames), jnp.array([0.5, 2.0]), 7)
    for k, sigma in enumerate((0.5, 2.0)):
        wanted = cv2.GaussianBlur(frames[k], (7, 7), sigma, borderType=cv2.BORDER_REFLECT_101)
        np.testing.assert_allclose(blurred[k], wanted, atol=1e-5)


def test_views_stay_in_range_and_differ_by_image():
    frames = jnp.broadcast_to(jnp.linspace(0, 1, 8 * 8 * 3).reshape(8, 8, 3), (6, 8, 8, 3))
    by = photometric.Jitter(blur_size=3)
    seen = photometric.jitter(jax.random.key(0), frames, by)
    assert 0 <= seen.min() and seen.max() <= 1
    assert len({float(x) for x in seen.mean((1, 2, 3))}) > 2
