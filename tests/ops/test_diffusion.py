import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.ops import diffusion


def test_median_training_sigma_is_three_quarters():
    sigma = diffusion.draw_sigma(jax.random.key(0), 4000)
    assert abs(float(jnp.median(sigma)) - 0.75) < 0.02
    assert diffusion.table_index(jnp.array([20.0, -20.0])).tolist() == [999, 0]


def test_one_euler_step_with_the_true_velocity_reaches_x0():
    keys = jax.random.split(jax.random.key(0))
    x0, noise = (jax.random.normal(k, (2, 3, 4, 5, 6)) for k in keys)
    sigma = jnp.array([0.3, 0.3])
    noisy = diffusion.add_noise(x0, noise, sigma)
    np.testing.assert_allclose(
        diffusion.euler_step(noisy, noise - x0, sigma[0], jnp.zeros(())), x0, atol=1e-6
    )
    np.testing.assert_allclose(diffusion.velocity_to_x0(noise - x0, noisy, sigma), x0, atol=1e-6)
    np.testing.assert_allclose(diffusion.x0_to_velocity(x0, noisy, sigma), noise - x0, atol=1e-5)


def test_zero_steps_are_refused():
    with pytest.raises(ValueError, match="steps is 0; denoising needs at least 1 step"):
        diffusion.inference_sigmas(0)
