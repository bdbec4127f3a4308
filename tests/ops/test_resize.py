import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from daflow_jax.ops import resize


@pytest.mark.parametrize("size", [(8, 14), (3, 5), (1, 9), (5, 7)])
def test_resize_samples_between_aligned_corners(size):
    x = jax.random.normal(jax.random.key(0), (5, 7, 2))
    ours = resize.resize_align_corners(x, size)
    grid = np.meshgrid(
        *(np.linspace(0, n - 1, m) if m > 1 else [0.0] for n, m in zip((5, 7), size, strict=True)),
        indexing="ij",
    )
    for channel in range(2):
        want = ndimage.map_coordinates(np.asarray(x[..., channel], np.float64), grid, order=1)
        np.testing.assert_allclose(ours[..., channel], want, atol=2e-6)


def test_resize_keeps_a_linear_ramp_linear():
    ramp = jnp.arange(6.0)[None, :, None] * jnp.ones((4, 1, 1))
    ours = resize.resize_align_corners(ramp, (4, 11))
    np.testing.assert_allclose(ours[0, :, 0], np.linspace(0, 5, 11), atol=1e-6)
