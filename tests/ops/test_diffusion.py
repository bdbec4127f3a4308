import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.ops import diffusion
from tests.golden import weights
from tests.models import backbone_golden as golden


@pytest.fixture(scope="module")
def arrays():
    return golden.arrays("scheduler")


def test_training_table_equals_published(arrays):
    np.testing.assert_allclose(diffusion.training_sigmas(), arrays["train.sigmas"], atol=1e-6)
    for shift in (1, 2, 6):
        want = arrays[f"shift{shift}.train.sigmas"]
        np.testing.assert_allclose(diffusion.training_sigmas(float(shift)), want, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 4, 10, 20, 28, 40, 50])
def test_inference_sigmas_equal_published(arrays, steps):
    sigmas = diffusion.inference_sigmas(steps)
    np.testing.assert_allclose(sigmas, arrays[f"infer{steps}.sigmas"], atol=1e-6)
    timesteps = diffusion.TIMESTEPS * sigmas[:-1]
    np.testing.assert_allclose(timesteps, arrays[f"infer{steps}.timesteps"], atol=1e-3)
    for shift in (1, 2, 6) if steps == 10 else ():
        want = arrays[f"shift{shift}.infer10.sigmas"]
        np.testing.assert_allclose(diffusion.inference_sigmas(10, float(shift)), want, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_training_draw_equals_published(arrays, seed):
    draw = jnp.asarray(arrays[f"logitnormal.s{seed}.draw"])
    index = diffusion.table_index(draw)
    np.testing.assert_array_equal(index, arrays[f"logitnormal.s{seed}.index"])
    sigma = diffusion.training_sigmas()[index]
    np.testing.assert_allclose(sigma, arrays[f"logitnormal.s{seed}.sigma"], atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_euler_steps_equal_published(arrays, seed):
    shape, want = (1, 4, 4, 6), arrays[f"euler4.s{seed}.x"]
    x, sigmas = jnp.asarray(want[0]), jnp.asarray(diffusion.inference_sigmas(4))
    for i in range(4):
        velocity = jnp.asarray(weights.normal(f"input.sched.v{i}", shape, seed))
        x = diffusion.euler_step(x, velocity, sigmas[i], sigmas[i + 1])
        np.testing.assert_allclose(x, want[i + 1], atol=2e-6)


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
