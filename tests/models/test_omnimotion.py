"""OmniMotion against the arrays of the authors' code, and what the configuration refuses."""

import jax
import pytest

from daflow_jax import errors, models
from tests.models import parity, parity_omnimotion


@pytest.mark.slow  # its gradients compile for half a minute
@pytest.mark.parametrize("part", ["a", "b"])
def test_published_arrays(part):
    if not parity_omnimotion.has(part):
        pytest.skip("set DAFLOW_MOTION_GOLDEN to a folder with all sets")
    arrays = parity_omnimotion.golden(part)
    with jax.default_matmul_precision("highest"):
        parity.check(parity_omnimotion.rows(part), arrays, parity_omnimotion.INPUTS)


def test_a_layer_changes_one_of_three_coordinates():
    with pytest.raises(errors.UserError, match="model.changed: is .* of 0 to 2"):
        models.preset("omnimotion-nano", changed=(0, 3))
