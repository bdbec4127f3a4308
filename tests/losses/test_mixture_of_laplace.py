"""The mixture of Laplace against the published loss (float32) and against its own definition."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.losses import mixture_of_laplace as mixture
from daflow_jax.ops import laplace

OPS = Path(__file__).parents[1] / "golden" / "ops"
BOUNDS = {
    "mol_nf_var0_10": (0.0, 10.0),
    "mol_nf_no_var": (0.0, 0.0),
    "mol_nf_varm5_10": (-5.0, 10.0),
}


@pytest.mark.parametrize("part", "ab")
@pytest.mark.parametrize("name", BOUNDS)
def test_likelihood_equals_published_one(part, name):
    golden = np.load(OPS / f"ops_{part}.npz")
    arrays = (jnp.asarray(golden[key]) for key in ("met_pred", "mol_info", "met_gt"))
    ours = mixture.negative_log_likelihood(*arrays, bounds=BOUNDS[name])
    np.testing.assert_allclose(ours, golden[name], rtol=0, atol=1.2e-5)


def test_density_integrates_to_one():
    info = jnp.array([0.3, -0.4, 1.2, -0.7])
    target = jnp.linspace(-60, 60, 48001)[:, None] * jnp.ones(2)
    likelihood = mixture.negative_log_likelihood(
        jnp.full((48001, 2), 1.5)[None],
        jnp.broadcast_to(info, (1, 48001, 4)),
        target[None],
        (-5.0, 10.0),
    )
    mass = jnp.trapezoid(jnp.exp(-likelihood[0, :, 0]), target[:, 0])
    np.testing.assert_allclose(mass, 1, atol=1e-4)


def test_loss_ignores_what_is_not_usable():
    rng = np.random.default_rng(0)
    flows, infos = (jnp.asarray(rng.normal(size=(3, 2, 8, 9, c)), jnp.float32) for c in (2, 4))
    target = jnp.asarray(rng.normal(size=(2, 8, 9, 2)), jnp.float32)
    valid = jnp.ones((2, 8, 9)).at[:, 4:].set(0.4)
    half = [flows[:, :, :4], infos[:, :, :4], target[:, :4], valid[:, :4]]
    mixture_loss = jax.jit(mixture.mixture_loss)
    loss = mixture_loss(flows, infos, target.at[:, 4:].set(jnp.nan), valid)
    np.testing.assert_allclose(loss, mixture_loss(*half), rtol=1e-6)
    far = mixture_loss(flows, infos, target.at[:, 4:].set(500.0), jnp.ones((2, 8, 9)))
    np.testing.assert_allclose(far, loss, rtol=1e-6)
    means = [mixture_loss(f[None], i[None], *half[2:]) for f, i in zip(*half[:2])]
    np.testing.assert_allclose(loss, 0.85**2 * means[0] + 0.85 * means[1] + means[2], rtol=1e-6)


def test_gradient_is_finite_without_a_usable_pixel():
    def loss(flows):
        infos = jnp.zeros((1, 1, 4, 4, 4))
        target = jnp.full((1, 4, 4, 2), jnp.nan)
        return mixture.mixture_loss(flows, infos, target, jnp.zeros((1, 4, 4)))

    value, grad = jax.jit(jax.value_and_grad(loss))(jnp.ones((1, 1, 4, 4, 2)))
    assert value == 0 and not grad.any()


def test_uncertainty_is_the_mean_log_scale():
    sure = jnp.array([-40.0, 40.0, 3.0, -1.0])
    torn = jnp.array([0.0, 0.0, 12.0, -1.0])
    ours = laplace.uncertainty(jnp.stack([sure, torn])[None])
    np.testing.assert_allclose(ours, [[0.0, 5.0]], atol=1e-6)
