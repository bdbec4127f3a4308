"""The quadratic fit without LAPACK, against the published arrays of Guess What Moves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.losses import piecewise_flow
from tests.models.parity_omnimotion import folder


@pytest.mark.parametrize("part", ["a", pytest.param("b", marks=pytest.mark.slow)])
def test_published_arrays(part):
    file = folder() / f"gwm_{part}.npz"
    if not file.is_file():
        pytest.skip("set DAFLOW_MOTION_GOLDEN to a folder with all sets")
    with np.load(file) as found:
        g = {name: jnp.asarray(found[name], jnp.float32) for name in found}
    count, size = g["logits"].shape[-1], g["flow"].shape[1:3]

    def error(logits):
        soft = jax.nn.softmax(logits, -1)
        masks = jax.image.resize(soft, (len(soft), *size, count), "linear")
        fit = piecewise_flow.fitted(masks, g["flow"])
        return jnp.mean(jnp.square(fit.flow - g["flow"])), fit

    (loss, fit), gradient = jax.jit(jax.value_and_grad(error, has_aux=True))(g["logits"])
    np.testing.assert_allclose(fit.theta, g["theta"], atol=6e-4)
    np.testing.assert_allclose(fit.flow, g["rec"], atol=6e-4)
    np.testing.assert_allclose(loss, g["f64_loss"][0], atol=3e-6)
    np.testing.assert_allclose(1000 * gradient, g["grad_logits_x1000"], atol=3e-3)
    hard = jax.nn.one_hot(found_labels(file), count)
    true = piecewise_flow.reconstruction_error(hard, g["flow_exact"])
    assert float(jnp.mean(true)) < 1e-8


def found_labels(file):
    with np.load(file) as found:
        return jnp.asarray(found["labels"])
