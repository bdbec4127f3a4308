"""GMFlow: its parts against their definitions, and its published weights where they are at hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import api, errors, models
from daflow_jax.models.gmflow import matching, transformer, windows
from daflow_jax.pretrained import published
from tests.models import parity, parity_gmflow

has_weights = pytest.mark.skipif(
    not (parity_gmflow.WEIGHTS.is_file() and parity_gmflow.GOLDEN.is_file()),
    reason="set DAFLOW_GMFLOW_WEIGHTS and DAFLOW_GOLDEN_REAL_WEIGHTS (see parity_gmflow.py)",
)

MATCH = jax.jit(matching.match, static_argnums=2)
SPREAD = jax.jit(matching.spread, static_argnums=3)


@has_weights
@pytest.mark.slow
def test_every_stage_equals_the_published_network():
    names = [k for k in np.load(parity_gmflow.GOLDEN) if not k.startswith("epe")]
    parity.check(parity_gmflow.rows(), names, parity_gmflow.INPUTS)


@has_weights
@pytest.mark.slow
def test_the_published_weights_convert_and_err_as_published(tmp_path):
    job = published.prepare(published.Request(parity_gmflow.WEIGHTS))
    assert job.arch == "gmflow" and len(job.plan.sources) == 124
    golden = np.load(parity_gmflow.GOLDEN)
    frames = np.concatenate([golden["frame0"], golden["frame1"]])
    flow = api.load(published.convert(job, tmp_path / "gmflow"))(frames)[0]
    np.testing.assert_allclose(flow[::3, ::3], golden["flow_s3"][0], atol=2e-3)


def test_it_has_as_many_parameters_as_published():
    net = models.build(models.preset("gmflow"))
    shape = models.example(net.config).args[0].shape
    found = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros(shape)))
    assert sum(leaf.size for leaf in jax.tree.leaves(found)) == 4_716_720


def test_moved_windows_attend_as_the_definition_says():
    """Each token sees those of its moved window that were neighbours of it in the map."""
    height, width, count, channels = 8, 12, 2, 4
    q, k, v = (jax.random.normal(jax.random.key(i), (1, height, width, channels)) for i in range(3))
    out = jax.jit(functools.partial(transformer.attend, count=count, moved=True))(q, k, v)
    rows, columns = height // count, width // count
    want = np.zeros_like(out[0])
    for y in range(height):
        for x in range(width):
            seen = [
                (j, i)
                for j in range(height)
                for i in range(width)
                if (j + rows // 2) // rows == (y + rows // 2) // rows
                and (i + columns // 2) // columns == (x + columns // 2) // columns
            ]
            scores = np.array([np.dot(q[0, y, x], k[0, j, i]) for j, i in seen]) / 2
            weights = np.exp(scores - scores.max())
            values = np.stack([v[0, j, i] for j, i in seen])
            want[y, x] = weights @ values / weights.sum()
    np.testing.assert_allclose(out[0], want, atol=1e-5)


def test_windows_are_put_together_as_they_were_cut():
    x = jnp.arange(2 * 8 * 12 * 3.0).reshape(2, 8, 12, 3)
    np.testing.assert_array_equal(windows.merge(windows.split(x, 4), 4, (8, 12)), x)


def test_matching_finds_a_shift_and_places_outside_of_the_map_have_no_weight():
    base = jax.random.normal(jax.random.key(0), (1, 8, 12, 16))
    base = 16 * base / jnp.linalg.norm(base, axis=-1, keepdims=True)
    shifted = jnp.roll(base, 2, axis=2)
    for radius in (-1, 3):
        flow = MATCH(base, shifted, radius)
        np.testing.assert_allclose(flow[0, 1:-1, :9, 0], 2.0, atol=1e-3)
        np.testing.assert_allclose(flow[0, 1:-1, :9, 1], 0.0, atol=1e-3)
    flat = MATCH(jnp.zeros((1, 4, 4, 2)), jnp.zeros((1, 4, 4, 2)), 1)
    np.testing.assert_allclose(flat[0, 0, 0], [0.5, 0.5], atol=1e-6)  # of four places of nine


def test_spreading_counts_places_outside_as_flow_zero():
    flow = jnp.ones((1, 4, 4, 2))
    zeros = jnp.zeros((1, 4, 4, 2))
    np.testing.assert_allclose(SPREAD(zeros, zeros, flow, 1)[0, 0, 0], 4 / 9, atol=1e-6)
    np.testing.assert_allclose(SPREAD(zeros, zeros, flow, -1), flow, atol=1e-6)


@pytest.mark.parametrize(
    "settings, rule",
    [
        (dict(splits=(3, 8)), "Use 1, 2, 4 or 8"),
        (dict(splits=(8, 8)), "for the first"),
        (dict(radii=(-1, 0)), "-1 for the whole map"),
        (dict(widths=(64, 96, 126)), "multiple of 4"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, rule):
    with pytest.raises(errors.UserError, match=rule):
        models.preset("gmflow", **settings)
