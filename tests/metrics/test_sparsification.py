"""Sparsification against its definition, and the laws of perfect, useless and wrong rankings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import metrics
from daflow_jax.metrics import sparsification

SHAPE = (40, 50)
sparsify = jax.jit(metrics.sparsify)


@pytest.fixture(scope="module")
def case():
    """Returns flow, target, valid (NaN truth outside), and the error of every pixel."""
    rng = np.random.default_rng(0)
    error = rng.exponential(3.0, SHAPE).astype(np.float32)
    target = rng.normal(0, 20, (*SHAPE, 2)).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi, SHAPE)
    flow = target + error[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    valid = rng.random(SHAPE) > 0.3
    target[~valid] = np.nan
    return *(jnp.asarray(x, jnp.float32) for x in (flow, target)), jnp.asarray(valid), error


def test_curves_are_the_mean_errors_of_what_remains(case):
    flow, target, valid, error = case
    score = error + np.random.default_rng(1).normal(0, 3, SHAPE).astype(np.float32)
    found = sparsify(flow, target, valid, jnp.asarray(score))
    own = error[np.asarray(valid)]
    for curve, by in ((found.by_uncertainty, score[np.asarray(valid)]), (found.by_error, own)):
        sure_first = own[np.argsort(by)].astype(np.float64)
        kept = [len(own) - int(np.float32(q) * len(own)) for q in sparsification.REMOVED]
        expected = [sure_first[:count].mean() / own.mean() for count in kept]
        np.testing.assert_allclose(curve, expected, rtol=1e-4)
    area = np.trapezoid(found.by_uncertainty - found.by_error, sparsification.REMOVED)
    assert 0 < float(found.ause()) == pytest.approx(area, rel=1e-5)
    assert found.ause() < found.ause_random()


def test_any_order_of_the_true_errors_is_the_oracle(case):
    flow, target, valid, error = case
    found = sparsify(flow, target, valid, jnp.log(jnp.asarray(error)))  # rising, not linear
    assert float(found.ause()) == pytest.approx(0, abs=1e-5)
    assert found.by_error[-1] < 0.05 and np.all(np.diff(found.by_error) < 0)


def test_a_constant_ranks_like_chance_and_the_reverse_misleads(case):
    flow, target, valid, error = case
    flat = sparsify(flow, target, valid, jnp.zeros(SHAPE))
    np.testing.assert_allclose(flat.by_uncertainty, 1, rtol=1e-5)
    assert flat.ause() == pytest.approx(float(flat.ause_random()), rel=1e-4)
    rng = np.random.default_rng(2)
    areas = [
        sparsify(flow, target, valid, jnp.asarray(rng.random(SHAPE), jnp.float32)).ause()
        for _ in range(20)
    ]
    assert np.mean(areas) == pytest.approx(float(flat.ause_random()), abs=0.02)
    assert sparsify(flow, target, valid, jnp.asarray(-error)).ause() > 2 * flat.ause_random()


def test_equally_uncertain_pixels_leave_together():
    error = jnp.array([[0.0, 2.0, 10.0, 12.0] * 5])
    flow = jnp.stack([error, jnp.zeros_like(error)], -1)
    halves = (error > 5).astype(jnp.float32)
    found = sparsify(flow, jnp.zeros_like(flow), jnp.ones(error.shape, bool), halves)
    assert np.asarray(found.by_uncertainty)[[0, 10, 19]] == pytest.approx([1, 1 / 6, 1 / 6])
    assert float(found.by_uncertainty[5]) == pytest.approx((10 * 1 + 5 * 11) / 15 / 6)
