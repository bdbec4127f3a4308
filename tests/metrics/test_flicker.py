"""OPW: a plain form, the mask, and what it does not count."""

import jax.numpy as jnp
import numpy as np

from daflow_jax.metrics import flicker


def _moving(shift, seed=0):
    """Returns two frames of a scene that moves by `shift` columns, and the flow to the first."""
    scene = np.random.default_rng(seed).random((12, 24, 3), np.float32)
    flow = np.zeros((12, 16, 2), np.float32)
    flow[..., 0] = -shift
    return scene[:, 4 - shift : 20 - shift], scene[:, 4:20], flow


def _opw(*arrays):
    return float(flicker.opw(*(jnp.asarray(x, jnp.float32) for x in arrays)))


def test_equals_a_plain_form():
    reference, before, flow = _moving(2)
    rng = np.random.default_rng(1)
    frame, previous = (np.clip(x + rng.normal(0, 0.05, x.shape), 0, 1) for x in (reference, before))
    total = 0.0
    for y, x in np.ndindex(12, 16):
        source = x - 2
        moved = previous[y, source] if source >= 0 else np.zeros(3)
        clean = before[y, source] if source >= 0 else np.zeros(3)
        mask = np.exp(-50 * np.sum((reference[y, x] - clean) ** 2))
        total += mask * np.abs(frame[y, x] - moved).mean()
    ours = _opw(frame, previous, reference, before, flow)
    np.testing.assert_allclose(ours, 255 * total / (12 * 16), rtol=1e-5)


def test_motion_is_no_flicker_and_a_change_of_brightness_is():
    reference, before, flow = _moving(3)
    assert _opw(reference, before, reference, before, flow) < 1.0  # the border alone
    darker = 0.9 * before
    assert _opw(reference, darker, reference, before, flow) > 5.0


def test_what_was_hidden_does_not_count():
    reference, before, flow = _moving(0)
    covered = before.copy()
    covered[4:8] = 1 - np.round(covered[4:8])  # far from what is there now
    assert _opw(reference, covered, reference, covered, flow) < 0.5
