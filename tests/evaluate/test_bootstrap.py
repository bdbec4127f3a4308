"""Bootstrap intervals over clips: limits that are known in advance."""

import numpy as np

from daflow_jax.evaluate import bootstrap


def row(dataset, clip, epe):
    return {"dataset": dataset, "clip": clip, "epe": epe}


def test_intervals_of_two_clips_are_their_values():
    rows = [row("a", "p", 1.0), row("a", "q", 3.0), row("b", "r", 8.0)]
    overall, each = bootstrap.intervals(rows, ("epe", "r_epe"), ("a", "b"), seed=0)
    assert each["a"]["epe"] == [1, 3] and each["b"]["epe"] is None, "one clip has no spread"
    assert overall == {"epe": [4.5, 5.5], "r_epe": None}
    assert bootstrap.intervals(rows[2:], ("epe",), ("b",), seed=0)[0] == {"epe": None}


def test_intervals_have_the_width_of_the_normal_law_over_clips_not_pairs():
    values = np.random.default_rng(0).normal(size=64)
    rows = [row("a", f"clip{n}", value) for n, value in enumerate(values) for _ in range(4)]
    low, high = bootstrap.intervals(rows, ("epe",), ("a",), seed=1)[0]["epe"]
    half = 1.96 * values.std() / np.sqrt(len(values))
    np.testing.assert_allclose([low, high], values.mean() + np.array([-half, half]), atol=0.04)
    assert bootstrap.intervals(rows, ("epe",), ("a",), seed=1)[0]["epe"] == [low, high]
