"""RAFT's sequence loss against the published one and its defining properties."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.losses import sequence

OPS = Path(__file__).parents[1] / "golden" / "ops"


@pytest.mark.parametrize("name", ["a", "b"])
def test_loss_equals_published(name):
    g = np.load(OPS / f"ops_{name}.npz")
    flows = np.stack([g["met_gt"] + s * (g["met_pred"] - g["met_gt"]) for s in (2.0, 1.2, 1.0)])
    target = g["met_gt"].copy()
    image, y0, y1, x0, x1, u, v = g["seq_gt_override"]
    target[image, y0:y1, x0:x1] = (u, v)
    valid = jnp.asarray(g["met_valid"], jnp.float32)
    loss = sequence.sequence_loss(jnp.asarray(flows), jnp.asarray(target), valid, gamma=0.8)
    np.testing.assert_allclose(loss, g["seq_loss_gamma08"], rtol=1e-5)


def test_unusable_pixels_give_neither_loss_nor_gradient():
    target = jnp.full((1, 2, 2, 2), jnp.nan).at[0, 0].set(1.0).at[0, 1, 0].set(500.0)
    valid = jnp.array([[[1.0, 1.0], [1.0, 0.0]]])
    loss = lambda flows: sequence.sequence_loss(flows, target, valid)  # noqa: E731
    value, grad = jax.value_and_grad(loss)(jnp.zeros((3, 1, 2, 2, 2)))
    np.testing.assert_allclose(value, 0.5 * (1 + 0.8 + 0.64), rtol=1e-6)
    assert np.isfinite(grad).all() and (grad[:, 0, 1] == 0).all() and (grad[:, 0, 0] != 0).all()
