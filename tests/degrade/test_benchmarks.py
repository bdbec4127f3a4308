"""The degradations of restoration benchmarks as operators of a recipe."""

import numpy as np
import pytest

from daflow_jax.degrade import matlab_resize, pipeline, published_noise, raw_noise

FRAMES = np.random.default_rng(0).integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)


def applied(*steps):
    return pipeline.apply(pipeline.Recipe((steps,), seed=1), FRAMES)


def test_bi_and_back_in_a_recipe():
    steps = ("matlab_resize", {"scale": 0.25}), ("matlab_resize", {"scale": 4})
    wanted = matlab_resize.resize(matlab_resize.resize(FRAMES / 255.0, 0.25), 4)
    np.testing.assert_allclose(applied(*steps), np.round(255 * wanted.clip(0, 1)), atol=1)


def test_blur_down_and_sensor_noise_in_a_recipe():
    assert applied(("blur_down", {}), ("back", {"mode": "bicubic"})).shape == FRAMES.shape
    quiet, loud = (applied(("sensor_noise", {"iso": iso})).astype(int) for iso in raw_noise.CRVD
                   if iso in (1600, 25600))  # fmt: skip
    clean = np.round(255 * raw_noise.develop(raw_noise.mosaic(FRAMES / np.float32(255))))
    assert np.abs(loud - clean).mean() > 2 * np.abs(quiet - clean).mean()


def test_sizes_that_four_does_not_divide_are_rounded_up():
    assert matlab_resize.resize(np.zeros((13, 10, 3)), 0.25).shape == (4, 3, 3)
    assert matlab_resize.weights(16, 0.25).sum(1) == pytest.approx(np.ones(4))


def test_published_noise_wants_sixteen_values():
    with pytest.raises(ValueError, match="15 values"):
        published_noise.normal((15,))
