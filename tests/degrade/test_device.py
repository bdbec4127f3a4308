import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.degrade import device, jpeg, mixture, pipeline, recipes
from tests.degrade.test_pipeline import clip, psnr


def picture(height, width):
    return clip(1, height, width)[0].astype(np.float32)


@pytest.mark.parametrize("size, factor", [(48, 2.0), (61, 2.5), (48, 1.0), (100, 3.7)])
def test_resize_matrices_are_opencv(size, factor):
    small = max(round(size / factor), 4)
    column = np.ascontiguousarray(picture(size, 20)[:, :, 0])
    for area, mode in ((True, cv2.INTER_AREA), (False, cv2.INTER_LINEAR)):
        down, up = map(np.asarray, device.resize_matrices(size, factor, area))
        ours = down @ column
        expected = cv2.resize(column, (20, small), interpolation=mode)
        np.testing.assert_allclose(ours[:small], expected, atol=0.02)
        np.testing.assert_allclose(ours[small:] - ours[small - 1], 0, atol=1e-3)
        back = cv2.resize(expected, (20, size), interpolation=cv2.INTER_CUBIC)
        np.testing.assert_allclose(up @ ours, back, atol=0.05)


@pytest.mark.parametrize("sigma", [0.0, 0.7, 2.5])
def test_blur_matrix_is_opencv(sigma):
    column = np.ascontiguousarray(picture(64, 8)[:, :, 0])
    ours = np.asarray(device.blur_matrix(64, sigma)) @ column
    expected = cv2.GaussianBlur(column, (1, 41), 1, sigmaY=sigma) if sigma else column
    np.testing.assert_allclose(ours, expected, atol=0.05)


@pytest.mark.parametrize("quality", [20, 50, 90])
def test_jpeg_is_nearly_the_codec(quality):
    image = picture(64, 96)
    ours = np.asarray(device.jpeg(jnp.asarray(image), quality))
    codec = jpeg.jpeg(image.astype(np.uint8), quality)
    assert psnr(ours, codec) > 38
    assert abs(psnr(ours, image) - psnr(codec, image)) < 0.3


def test_neutral_parameters_change_nothing():
    neutral = mixture.Parameters(0.0, 0.0, 1.0, True, 0.0, 0.0, False, 101.0, 1.0, 0.0)
    frame = jnp.asarray(picture(64, 80)) / 255
    same = jax.jit(device.one_frame)(jax.random.key(0), frame, jax.tree.map(jnp.asarray, neutral))
    np.testing.assert_allclose(same, frame, atol=1e-6)


def test_same_parameters_give_the_quality_of_the_host():
    """The same draws of the mixture, done by host and device: PSNR agrees clip by clip."""
    frame = picture(64, 80)
    ours = jax.jit(device.one_frame)
    host, accelerator = [], []
    for trial in range(24):
        u = np.random.default_rng(trial).random(mixture.NUM_UNIFORM).astype(np.float32)
        steps = recipes.parameter_steps(mixture.draw(u, 0.5, 5.5))
        recipe = pipeline.Recipe((tuple(steps),), trial)
        host.append(psnr(pipeline.apply(recipe, frame[None].astype(np.uint8))[0], frame))
        drawn = mixture.draw(jnp.asarray(u), 0.5, 5.5, jnp)
        bad = ours(jax.random.key(trial), jnp.asarray(frame) / 255, drawn)
        accelerator.append(psnr(np.asarray(bad) * 255, frame))
    gap = np.array(host) - accelerator
    assert np.ptp(host) > 8  # the draws differ, so agreement means something
    assert abs(gap.mean()) < 0.2 and np.abs(gap).max() < 1.0, gap


def test_device_degradation_is_a_function_of_the_key_and_new_in_each_frame():
    frames = jnp.asarray(np.repeat(clip(1, 48, 64), 2, 0), jnp.float32) / 255
    make = jax.jit(lambda key: device.degrade(key, frames, 3.0, 3.0))
    first, again, other = (np.asarray(make(jax.random.key(k))) for k in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(other[0], other[1])
    assert first.min() >= 0 and first.max() <= 1
    with pytest.raises(ValueError, match='the modes are "clip" and "frame"'):
        device.degrade(jax.random.key(0), frames, mode="video")
