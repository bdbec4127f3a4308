"""The conversion engine is strict in both directions."""

import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.convert import engine
from daflow_jax.models.raft import convert
from tests.models import published_raft

RULES = ((r"(a|twin)\.weight", "params/a/kernel", engine.dense),)
TARGET = {"params/a/kernel": (3, 2)}
A = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    "state, rule",
    [
        ({"a.weight": A, "b.weight": A}, "unused b.weight"),
        ({}, "unset params/a/kernel"),
        ({"a.weight": A.T}, "needs"),
        ({"a.weight": A, "twin.weight": A + 1}, "differs from its twin"),
        ({"a.weight": A * np.nan}, "non-finite"),
    ],
)
def test_every_mismatch_is_named(state, rule):
    with pytest.raises(errors.UserError, match=rule):
        engine.convert(state, RULES, TARGET)


def test_twins_and_dead_tensors_are_accepted():
    state = {"a.weight": A, "twin.weight": A, "old": A}
    out = engine.convert(state, RULES, TARGET, ignored=(("old", "unread"),))
    np.testing.assert_array_equal(out.parameters["params/a/kernel"], A.T)
    assert out.ignored == {"old": "unread"}


def test_raft_checkpoint_converts_and_a_small_one_does_not_fit():
    state = published_raft.state_dict("raft", 0)
    module, _ = published_raft.load("raft", 0)
    import jax.numpy as jnp

    shapes = published_raft.targets(module, jnp.zeros((1, 2, 128, 128, 3)))
    assert len(engine.convert(state, convert.RULES, shapes, convert.IGNORED).parameters) == len(
        shapes
    )
    with pytest.raises(errors.UserError, match="mismatches"):
        small = published_raft.state_dict("raft-small", 0)
        engine.convert(small, convert.RULES, shapes, convert.IGNORED)
