"""The losses of RIFE against published values, and their gradients where roots are steep."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.losses import distillation, laplacian
from tests.models import published_rife as published


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(published.OWN / "rife_ops_a.npz"))


def _frame(golden, name):
    return jnp.asarray(golden[name].astype(np.float32) / 255)


def test_pyramid_and_loss_equal_the_published_ones(golden):
    frame, other = _frame(golden, "frame0"), _frame(golden, "frame1")
    bands = laplacian.pyramid(frame)
    found = {
        "lap0_s4": bands[0][:, ::4, ::4],
        "lap0_top4": bands[0][:, :4, :8],
        "lap1_s2": bands[1][:, ::2, ::2],
        "lap3": bands[3],
        "lap4": bands[4],
    }
    for name, band in found.items():
        np.testing.assert_allclose(band, golden[name], rtol=0, atol=2e-6, err_msg=name)
    terms = [jnp.mean(jnp.abs(a - b)) for a, b in zip(bands, laplacian.pyramid(other))]
    np.testing.assert_allclose(terms, golden["lap_terms"], rtol=0, atol=1e-6)
    loss = laplacian.laplacian_loss(frame, other)
    np.testing.assert_allclose(np.mean(loss), golden["lap_loss"], rtol=0, atol=2e-7)


def test_pictures_without_five_levels_are_refused():
    for shape in ((1, 32, 64, 3), (1, 80, 64, 3)):
        with pytest.raises(ValueError, match="5 levels need multiples of 32, from 64 on"):
            laplacian.pyramid(jnp.zeros(shape))


def test_distillation_has_a_gradient_where_teacher_and_student_agree():
    flow = jnp.zeros((1, 2, 4, 4, 4)).at[0, 1].set(3.0)
    target, wrong = jnp.zeros((2, 4, 4, 3)), jnp.ones((1, 2, 4, 4, 3))

    def loss(flows, teacher):
        return jnp.sum(distillation.flow_distillation(flows, wrong, teacher, target, target))

    teacher = jnp.zeros((2, 4, 4, 4))
    value, (slope, to_teacher) = jax.value_and_grad(loss, (0, 1))(flow, teacher)
    np.testing.assert_allclose(value, 3.0)
    assert np.isfinite(slope).all() and not slope[0, 0].any() and (slope[0, 1] > 0).all()
    assert not np.any(to_teacher), "the teacher learns from its own frame alone"


def test_distillation_counts_pixels_where_the_teacher_is_clearly_better():
    flow, teacher = jnp.ones((1, 1, 1, 2, 4)), jnp.zeros((1, 1, 2, 4))
    target = jnp.zeros((1, 1, 2, 3))
    frames = jnp.array([0.005, 0.02]).reshape(1, 1, 1, 2, 1) * jnp.ones(3)
    loss = distillation.flow_distillation(flow, frames, teacher, target, target)
    np.testing.assert_allclose(loss, [0.5])
