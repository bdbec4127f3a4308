"""How near pictures are to their originals. One value a picture; average with `Mean.of`."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

WINDOW, SIGMA = 11, 1.5  # Wang et al. 2004, sec. III
STABILISERS = (0.01**2, 0.03**2)  # for a range of 1


def psnr(image: Float[Array, "*b h w c"], target: Float[Array, "*b h w c"]) -> Float[Array, "*b"]:
    """Returns the peak signal-to-noise ratio in dB of pictures in [0, 1]; infinite where equal."""
    difference = image.astype(jnp.float32) - target.astype(jnp.float32)
    return -10.0 * jnp.log10(jnp.mean(difference**2, axis=(-3, -2, -1)))


def ssim(image: Float[Array, "*b h w c"], target: Float[Array, "*b h w c"]) -> Float[Array, "*b"]:
    """Returns the structural similarity of pictures in [0, 1], 1 = equal (Wang et al. 2004).

    Gaussian window 11 x 11, sigma 1.5, only where it fits; the mean over pixels and channels. Both
    sides must be at least 11.
    """
    if min(image.shape[-3:-1]) < WINDOW:
        size = f"{image.shape[-2]}x{image.shape[-3]}"
        raise ValueError(f"picture is {size}; SSIM needs {WINDOW}x{WINDOW}; leave it out")
    a, b = image.astype(jnp.float32), target.astype(jnp.float32)
    mean_a, mean_b = _blur(a), _blur(b)
    var_a, var_b = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    c1, c2 = STABILISERS
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    bottom = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return jnp.mean(top / bottom, axis=(-3, -2, -1))


def _blur(image: Float[Array, "*b h w c"]) -> Float[Array, "*b y x c"]:
    at = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-(at**2) / (2 * SIGMA**2))
    window = jnp.asarray(window / window.sum(), jnp.float32)
    for axis in (-3, -2):
        size = image.shape[axis] - WINDOW + 1
        total = jnp.zeros((), image.dtype)
        for k in range(WINDOW):
            tap = jax.lax.slice_in_dim(image, k, k + size, axis=axis % image.ndim)
            total = total + window[k] * tap
        image = total
    return image
