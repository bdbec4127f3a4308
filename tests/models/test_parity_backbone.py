"""Parity with the published backbone, array by array."""

import pytest

from tests.models import backbone_golden as golden
from tests.models import parity, parity_backbone, parity_transformer

_LONG = [
    name
    for name in parity_backbone.FIXTURES
    if "train" in name
    or "lifted" in name
    or "fullblock" in name
    or name.endswith("_s1")
    or name == "vae_full_s0"  # of the published size
]
_SHORT = [name for name in parity_backbone.FIXTURES if name not in _LONG]


@pytest.mark.parametrize(
    "fixture", [*_SHORT, *(pytest.param(name, marks=pytest.mark.slow) for name in _LONG)]
)
def test_every_array_of_a_fixture_equals_published(fixture):
    rows = list(parity_backbone.rows(fixture))
    assert {row.name for row in rows} == parity_backbone.expected(fixture)
    parity.check(rows, ())


@pytest.mark.slow
@pytest.mark.parametrize("seed, mode", [(0, "clip"), (1, "image")])
def test_training_step_equals_published(seed, mode):
    """Some of the six modes, as each compiles a gradient; all are run by the slow test above."""
    arrays = golden.arrays(f"dit4sr_train_s{seed}")
    parity.check(parity_transformer.train_mode(arrays, seed, mode), ())


@pytest.mark.parametrize(
    "seed, outputs",
    [
        (0, r"all.fold12.lqkey_own|all.fold1.lqkey_hq|late.*_own"),
        pytest.param(
            1, r"all.fold12.*|all.fold1.lqkey_own|late.*_hq|none.*_hq", marks=pytest.mark.slow
        ),
    ],
)
def test_lifted_network_equals_published(seed, outputs):
    """All intermediates, and half of the variants; all are run by the slow test above."""
    rows = list(parity_transformer.dit4sr_lifted(seed, outputs))
    assert len(rows) > 30
    parity.check(rows, ())
