import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.losses import rectified_flow
from daflow_jax.ops import diffusion


def _case():
    keys = jax.random.split(jax.random.key(0), 3)
    x0, noise, velocity = (jax.random.normal(k, (2, 3, 4, 4, 5)) for k in keys)
    sigma = jnp.array([0.9, 0.4])
    return x0, noise, velocity, sigma, diffusion.add_noise(x0, noise, sigma)


@pytest.mark.parametrize("weighting", ["x0", "velocity"])
def test_loss_is_sigma_weighted_velocity_error_for_either_prediction(weighting):
    x0, noise, velocity, sigma, noisy = _case()
    per_clip = np.square(np.asarray(velocity - (noise - x0))).mean((1, 2, 3, 4))
    want = per_clip * np.asarray(sigma) ** 2 if weighting == "x0" else per_clip
    clean = diffusion.velocity_to_x0(velocity, noisy, sigma)
    for predicts, prediction in (("velocity", velocity), ("x0", clean)):
        loss = rectified_flow.rectified_flow_loss(
            prediction, noisy, x0, noise, sigma, predicts=predicts, weighting=weighting
        )
        np.testing.assert_allclose(loss, want.mean(), rtol=1e-5)


def test_clips_of_weight_zero_do_not_count():
    x0, noise, velocity, sigma, noisy = _case()
    inputs = (velocity, noisy, x0, noise, sigma)
    first = rectified_flow.rectified_flow_loss(*(x[:1] for x in inputs))
    weighted = rectified_flow.rectified_flow_loss(*inputs, weight=jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(weighted, first, rtol=1e-6)
