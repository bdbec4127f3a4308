"""Two training steps of the RAFT family against the published networks (PyTorch)."""

import numpy as np
import pytest

from tests.models import parity, published_raft
from tests.train import parity_train

CASES = [  # marked slow: what only compiles another of the programs above it
    ("raft-small", "ab", ("train",)),
    ("raft", "a", ("train", "frozen")),
    ("sea-raft-s", "a", ("train",)),
    pytest.param("raft", "b", ("train", "frozen"), marks=pytest.mark.slow),
    pytest.param("sea-raft-s", "b", ("train",), marks=pytest.mark.slow),
    pytest.param("sea-raft-m", "a", ("train",), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name, parts, modes", CASES)
def test_two_steps_equal_published_training(name, parts, modes):
    for part in parts:
        golden = np.load(published_raft.GOLDEN / f"{name.replace('-', '_')}_train_{part}.npz")
        rows = [row for mode in modes for row in parity_train.rows(name, part, mode)]
        parity.check(rows, golden, parity_train.INPUTS)
