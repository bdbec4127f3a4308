"""Rates against PyTorch's OneCycleLR and against closed forms."""

import json
from pathlib import Path

import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.train import optimizer, schedule

GOLDEN = Path(__file__).parents[1] / "golden" / "raft" / "schedule.json"


@pytest.mark.parametrize("name", ["raft_chairs", "raft_kitti", "sea_like", "tiny"])
def test_one_cycle_equals_pytorch_at_recorded_steps(name):
    record = json.loads(GOLDEN.read_text())[name]
    rate = schedule.one_cycle(record["max_lr"], record["total_steps"])
    steps = [int(step) for step in record["lr"]]
    got = np.array([rate(step) for step in steps])
    np.testing.assert_allclose(
        got, list(record["lr"].values()), rtol=2e-6, atol=2e-7 * record["max_lr"]
    )


def test_constant_and_cosine_warm_up_and_end():
    rise = [float(schedule.constant(2.0, 4)(step)) for step in range(6)]
    assert rise == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]
    wave = schedule.cosine(2.0, 110, 10)
    assert float(wave(4)) == 1.0
    np.testing.assert_allclose([wave(10), wave(60), wave(110)], [2.0, 1.0, 0.0], atol=1e-6)


def test_unknown_schedule_names_the_nearest():
    with pytest.raises(errors.UserError, match="Did you mean cosine"):
        optimizer.make_optimizer(optimizer.OptimizerConfig(lr=1.0, schedule="cosin"), 10)
