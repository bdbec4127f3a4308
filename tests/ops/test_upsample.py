"""Upsampling against the published code, and the hand-written gradient against JAX's."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.ops import upsample

OPS = Path(__file__).parents[1] / "golden" / "ops"


@pytest.mark.parametrize("part", "ab")
def test_upsampling_equals_published_code(part):
    keys = ("convex_flow", "convex_mask", "convex_info", "flow")
    arrays = np.load(OPS / f"ops_{part}.npz")
    golden = dict(arrays) | {key: jnp.asarray(arrays[key]) for key in keys}
    fine = upsample.convex_upsample(golden["convex_flow"], golden["convex_mask"])
    np.testing.assert_allclose(fine, golden["convex_up_flow"], rtol=0, atol=1.6e-4)
    info = upsample.convex_upsample(golden["convex_info"], golden["convex_mask"], scale=1.0)
    np.testing.assert_allclose(info, golden["convex_up_info"], rtol=0, atol=1e-5)
    bilinear = upsample.upflow(golden["flow"][:, :5, :6])
    np.testing.assert_allclose(bilinear, golden["upflow8"], rtol=0, atol=7e-5)


@pytest.mark.slow
def test_gradient_equals_the_automatic_one(monkeypatch):
    flow = jax.random.normal(jax.random.key(0), (2, 4, 5, 2))
    mask = jax.random.normal(jax.random.key(1), (2, 4, 5, 576))

    def gradient():
        loss = lambda f, m: jnp.sum(jnp.sin(upsample.convex_upsample(f, m)))  # noqa: E731
        return jax.grad(loss, (0, 1))(flow, mask)

    ours = gradient()
    monkeypatch.setattr(upsample, "_mix", upsample._mix.fun)
    for a, b in zip(ours, gradient()):
        np.testing.assert_allclose(a, b, atol=1e-4)
