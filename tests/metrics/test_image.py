"""Picture metrics against scikit-image."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage import metrics as skimage_metrics

from daflow_jax import metrics


def pictures():
    rng = np.random.default_rng(0)
    target = rng.random((2, 24, 31, 3)).astype(np.float32)
    return np.clip(target + 0.1 * rng.standard_normal(target.shape), 0, 1).astype(
        np.float32
    ), target


def test_psnr_and_ssim_equal_scikit_image():
    image, target = pictures()
    psnr = metrics.psnr(jnp.asarray(image), jnp.asarray(target))
    ssim = metrics.ssim(jnp.asarray(image), jnp.asarray(target))
    for k in range(2):
        expected = skimage_metrics.peak_signal_noise_ratio(target[k], image[k], data_range=1)
        np.testing.assert_allclose(psnr[k], expected, rtol=1e-5)
        expected = skimage_metrics.structural_similarity(
            target[k], image[k], data_range=1, channel_axis=-1,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )  # fmt: skip
        np.testing.assert_allclose(ssim[k], expected, rtol=1e-4)


def test_equal_pictures_and_tiny_ones():
    target = jnp.asarray(pictures()[1])
    assert np.isinf(metrics.psnr(target, target)).all()
    np.testing.assert_allclose(metrics.ssim(target, target), 1.0, rtol=1e-6)
    with pytest.raises(ValueError, match="picture is 10x24; SSIM needs 11x11"):
        metrics.ssim(target[:, :, :10], target[:, :, :10])
