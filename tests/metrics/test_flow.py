"""Flow metrics against published implementations and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import metrics

GOLDEN = [np.load(f"tests/golden/ops/ops_{name}.npz") for name in "ab"]


def arrays(golden):
    valid = jnp.asarray(golden["met_valid"] > 0)
    return jnp.asarray(golden["met_pred"]), jnp.asarray(golden["met_gt"]), valid


def shares_below(*args):
    return [1 - metrics.outliers(*args, px).compute() for px in (1, 3, 5)]


@pytest.mark.parametrize("golden", GOLDEN)
def test_pooled_errors_equal_the_sintel_script(golden):
    pred, truth, valid = arrays(golden)
    every = jnp.ones_like(valid)
    got = [metrics.epe(pred, truth, every).compute(), *shares_below(pred, truth, every)]
    np.testing.assert_allclose(got, golden["met_sintel_pooled"], rtol=1e-5)


@pytest.mark.parametrize("golden", GOLDEN)
def test_kitti_errors_equal_the_kitti_script(golden):
    pred, truth, valid = arrays(golden)
    per_image = jax.vmap(metrics.epe)(pred, truth, valid).compute()
    got = [per_image.mean(), 100 * metrics.fl_all(pred, truth, valid).compute()]
    np.testing.assert_allclose(got, golden["met_kitti_epe_f1"], rtol=1e-5)


@pytest.mark.parametrize("golden", GOLDEN)
def test_means_of_images_equal_ptlflow(golden):
    images = [
        [
            metrics.epe(*args).compute(),
            *shares_below(*args),
            100 * metrics.fl_all(*args).compute(),
            100 * metrics.wauc(*args).compute(),
        ]
        for args in zip(*arrays(golden), strict=True)
    ]
    assert golden["met_ptl_names"].tolist() == ["epe", "px1", "px3", "px5", "flall", "wauc"]
    np.testing.assert_allclose(np.mean(images, 0), golden["met_ptl"], rtol=2e-5)


def test_angular_error_has_its_closed_form():
    flow = jnp.asarray([[[1.0, 0.0], [0.0, 0.0], [3.0, -2.0]]])
    target = jnp.asarray([[[0.0, 0.0], [0.0, 2.0], [3.0, -2.0]]])
    each = jax.vmap(metrics.angular_error)(
        flow[0, :, None, None], target[0, :, None, None], jnp.ones((3, 1, 1), bool)
    )
    angles = each.compute()
    np.testing.assert_allclose(angles, [45.0, np.degrees(np.arctan(2.0)), 0.0], rtol=1e-6)


def test_speed_bins_split_the_mean_exactly():
    pred, truth, valid = arrays(GOLDEN[0])
    pred, truth = 20 * pred, 20 * truth
    bins = metrics.epe_by_speed(pred, truth, valid)
    whole = metrics.epe(pred, truth, valid)
    merged = bins["s0_10"].merge(bins["s10_40"]).merge(bins["s40"])
    np.testing.assert_allclose(merged, whole, rtol=1e-5)
    fast = np.asarray(valid) & (np.linalg.norm(truth, axis=-1) >= 40)
    assert bins["s40"].weight == fast.sum() > 0


def test_nan_outside_valid_does_not_count():
    pred, truth, valid = arrays(GOLDEN[0])
    broken = jnp.where(valid[..., None], truth, jnp.nan)
    for metric in (metrics.epe, metrics.fl_all, metrics.angular_error, metrics.wauc):
        np.testing.assert_allclose(metric(pred, broken, valid), metric(pred, truth, valid))
