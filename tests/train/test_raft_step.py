"""Two training steps of the RAFT family against the published networks (PyTorch)."""

import numpy as np
import pytest

from tests.models import parity, published_raft
from tests.train import parity_train

# Marked slow: a quarter of a minute each. SEA-RAFT's loss has golden arrays of its own in
# tests/losses, and its forward pass in tests/models.
CASES = [
    ("raft-small", "a", ("train",)),
    pytest.param("raft-small", "b", ("train",), marks=pytest.mark.slow),
    pytest.param("raft", "a", ("train", "frozen"), marks=pytest.mark.slow),
    pytest.param("sea-raft-s", "a", ("train",), marks=pytest.mark.slow),
    pytest.param("raft", "b", ("train", "frozen"), marks=pytest.mark.slow),
    pytest.param("sea-raft-s", "b", ("train",), marks=pytest.mark.slow),
    pytest.param("sea-raft-m", "a", ("train",), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name, part, modes", CASES)
def test_two_steps_equal_published_training(name, part, modes):
    golden = np.load(published_raft.GOLDEN / f"{name.replace('-', '_')}_train_{part}.npz")
    rows = [row for mode in modes for row in parity_train.rows(name, part, mode)]
    left_out = [f"bn_{mode}/" for mode in ("train", "frozen") if mode not in modes]
    names = [name for name in golden if not name.startswith(tuple(left_out))]
    parity.check(rows, names, parity_train.INPUTS)
