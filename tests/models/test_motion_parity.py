"""Every array of the fixtures of motion-based self-supervision against ours."""

import jax
import pytest

from tests.models import parity, parity_contrast, parity_motion

FIXTURES = {
    "flowe": (parity_motion.flowe, parity_motion.FLOWE_INPUTS),
    "poodle": (parity_motion.poodle, parity_motion.POODLE_INPUTS),
    "gwm": (parity_motion.gwm, parity_motion.GWM_INPUTS),
    "densecl": (parity_contrast.densecl, parity_contrast.DENSECL_INPUTS),
    "dora": (parity_contrast.dora, parity_contrast.DORA_INPUTS),
}
QUICK = ("densecl_a",)  # the others compile for seconds
CASES = [
    pytest.param(
        name, part, marks=[pytest.mark.slow] * (f"{name}_{part}" not in QUICK), id=f"{name}_{part}"
    )
    for name in FIXTURES
    for part in "abc"
]


@pytest.mark.parametrize("name, part", CASES)
def test_published_arrays(name, part):
    if not parity_motion.has(f"{name}_{part}"):
        pytest.skip("set DAFLOW_MOTION_GOLDEN to a folder with all sets")
    rows, inputs = FIXTURES[name]
    with jax.default_matmul_precision("highest"):
        parity.check(rows(part), parity_motion.golden(f"{name}_{part}"), inputs)
