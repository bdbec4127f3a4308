"""Two training steps of PWC-Net and FlowNet against the published networks (PyTorch)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.losses import multiscale
from daflow_jax.train import schedule
from tests.models import parity, published_flownets
from tests.train import parity_train_flownets as golden_training


@pytest.mark.slow
@pytest.mark.parametrize("name, part", golden_training.FIXTURES)
def test_two_steps_equal_published_training(name, part):
    file = f"{published_flownets.FILES[name]}_train_{part}"
    if file not in golden_training.available():
        pytest.skip("set DAFLOW_GOLDEN_FLOWNETS to a folder with the whole fixtures")
    names = published_flownets.arrays(file)
    parity.check(golden_training.rows(name, part), names, golden_training.INPUTS)


def test_targets_are_reduced_as_pwcnet_does():
    golden = published_flownets.arrays("pwcnet_train_a")
    rows = list(golden_training.targets(golden))
    assert len(rows) == 5
    parity.check(rows, [row.name for row in rows])


@pytest.mark.parametrize("window", ["block", "triangle"])
def test_unknown_pixels_are_left_out(window):
    flow = jnp.full((1, 128, 128, 2), 20.0).at[:, :70].set(jnp.nan)
    valid = jnp.ones((1, 128, 128), bool).at[:, :70].set(False)
    found, known = multiscale.reduced(flow, valid, 6, window)
    np.testing.assert_array_equal(known[0, :, 0], [False, True])
    np.testing.assert_allclose(found[0, 1], 1.0, atol=1e-5)


def test_an_exact_match_has_a_finite_slope():
    chosen = multiscale.PUBLISHED["flownet_l2"]._replace(weights=(1.0,))
    target, valid = jnp.zeros((1, 1, 8, 8, 2)), jnp.ones((1, 1, 8, 8), bool)
    slope = jax.jit(jax.grad(lambda x: multiscale.loss([x], target, valid, chosen)))(
        jnp.zeros((1, 1, 2, 2, 2))
    )
    assert not np.asarray(slope).any()


def test_a_side_of_one_pixel_at_the_smallest_level_is_refused():
    with pytest.raises(errors.UserError, match="Train on 128 pixels or more") as refusal:
        multiscale.reduced(jnp.zeros((64, 128, 2)), jnp.ones((64, 128), bool), 6, "triangle")
    assert refusal.value.code == 2


def test_a_rate_is_halved_at_each_date():
    rate = schedule.halved(8.0, (10, 20))
    assert [float(rate(step)) for step in (0, 9, 10, 19, 20, 99)] == [8, 8, 4, 4, 2, 2]
