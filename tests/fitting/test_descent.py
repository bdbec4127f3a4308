"""A fit goes on exactly where it was; its file is checked."""

import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.fitting import checkpoint, descent


def plan(stop_at=None, steps=5):
    def batch(step):
        if step == stop_at:
            raise KeyboardInterrupt
        return np.random.default_rng(step).normal(size=3).astype(np.float32)

    def loss(params, given, step):
        return jnp.sum((params["a"]["x"] - given) ** 2), {}

    return descent.Plan(loss, batch, steps, {"": 0.1}, 2, {"steps": steps})


START = {"a": {"x": jnp.zeros(3)}}


def test_an_interrupted_fit_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr(descent, "EVERY", 0.0)
    whole = descent.run(plan(), START)
    file = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        descent.run(plan(stop_at=3), START, file)
    lines = []
    found = descent.run(plan(), START, file, lines.append)
    np.testing.assert_array_equal(found["a"]["x"], whole["a"]["x"])
    assert lines[0] == "goes on from step 3 of 5"


def test_a_step_that_is_not_finite_changes_nothing():
    bad = plan()._replace(batch=lambda step: np.full(3, np.nan, np.float32))
    np.testing.assert_array_equal(descent.run(bad, START)["a"]["x"], 0)


def test_states_that_do_not_fit_are_refused(tmp_path):
    file, tree = tmp_path / "state.npz", {"teacher": np.ones(2)}
    checkpoint.save(file, tree, 7, {"steps": 9})
    found = checkpoint.restore(file, tree, {"steps": 9})
    assert found is not None and found[1] == 7
    with pytest.raises(errors.UserError, match="lacks 1 parts of the state, first student"):
        checkpoint.restore(file, {"student": np.ones(2)}, {"steps": 9})
    with pytest.raises(errors.UserError, match="another steps: 9, not 8"):
        checkpoint.restore(file, tree, {"steps": 8})
    data = bytearray(file.read_bytes())
    data[data.index(np.ones(2).tobytes()) + 6] ^= 1
    file.write_bytes(data)
    with pytest.raises(errors.UserError, match="damaged|not a readable"):
        checkpoint.restore(file, tree, {"steps": 9})
