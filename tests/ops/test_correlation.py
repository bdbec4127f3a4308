"""Correlation pyramid and look-up against the published code and against plain definitions."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.ops import correlation

OPS = Path(__file__).parents[1] / "golden" / "ops"


@pytest.mark.parametrize("part", "ab")
@pytest.mark.parametrize("name", correlation.LOOKUPS)
@pytest.mark.parametrize("radius", [3, 4])
def test_lookup_equals_published_code(part, name, radius):
    golden = np.load(OPS / f"ops_{part}.npz")
    f1, f2 = jnp.asarray(golden["corr_f1"]), jnp.asarray(golden["corr_f2"])
    corr = correlation.pyramid(f1, f2, 4, correlation.SPARE)
    out = correlation.lookup(corr, jnp.asarray(golden["corr_coords"]), radius, name)
    np.testing.assert_allclose(
        out[:, ::3, ::3], golden[f"corr_lookup_r{radius}_s3"], rtol=0, atol=4e-5
    )


def test_lookup_at_integer_coords_returns_volume_entries():
    f1, f2 = (jax.random.normal(jax.random.key(i), (1, 20, 24, 4)) for i in range(2))
    corr = correlation.pyramid(f1, f2, 1, correlation.SPARE)
    coords = jnp.broadcast_to(jnp.array([7.0, 11.0]), (1, 20, 24, 2))
    window = correlation.lookup_gather(corr, coords, 4).reshape(20 * 24, 9, 9)
    volume = np.einsum("hwc,yxc->hwyx", f1[0], f2[0]).reshape(20 * 24, 20, 24) / 2
    # x moves with the slow index
    np.testing.assert_allclose(window, volume[:, 7:16, 3:12].swapaxes(1, 2), atol=1e-5)


@pytest.mark.slow
def test_both_lookups_agree_anywhere_even_far_outside():
    f1, f2 = (jax.random.normal(jax.random.key(i), (2, 16, 17, 4)) for i in range(2))
    corr = correlation.pyramid(f1, f2, 4, correlation.SPARE)
    coords = jax.random.uniform(jax.random.key(2), (2, 16, 17, 2), minval=-60, maxval=80)
    coords = coords.at[0, 0, 0].set(jnp.array([-1e6, 1e6]))
    gather, matmul = (correlation.lookup(corr, coords, 4, n) for n in correlation.LOOKUPS)
    np.testing.assert_allclose(gather, matmul, atol=1e-5)
    assert not np.asarray(gather[0, 0, 0]).any()


@pytest.mark.slow
def test_volume_gradient_equals_the_scattered_one():
    f1, f2 = (jax.random.normal(jax.random.key(i), (2, 16, 17, 4)) for i in range(2))
    corr = correlation.pyramid(f1, f2, 3, correlation.SPARE)
    coords = jax.random.uniform(jax.random.key(2), (2, 2, 16, 17, 2), minval=-5, maxval=20)
    grads = jax.random.normal(jax.random.key(3), (2, 2, 16, 17, 3 * 49))
    plain = jax.grad(
        lambda corr: sum(
            jnp.sum(correlation.lookup_gather(corr, c, 3) * g) for c, g in zip(coords, grads)
        )
    )(corr)
    ours = correlation.volume_gradient(corr, coords, grads)
    real = slice(corr.spare, -corr.spare)
    for a, b in zip(ours.levels, plain.levels):
        np.testing.assert_allclose(a[:, real], b[:, real], atol=1e-4)


def test_gather_without_spare_queries_and_unknown_names_are_refused():
    f = jnp.zeros((1, 16, 16, 4))
    coords = jnp.zeros((1, 16, 16, 2))
    with pytest.raises(ValueError, match="spare=SPARE"):
        correlation.lookup(correlation.pyramid(f, f), coords, 4, "gather")
    with pytest.raises(ValueError, match="must be one of"):
        correlation.lookup(correlation.pyramid(f, f), coords, 4, "pallas")
