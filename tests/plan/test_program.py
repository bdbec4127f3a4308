"""Programs that are planned: what is refused before anything is compiled."""

import jax
import pytest

from daflow_jax import errors
from daflow_jax.plan import program


def test_a_prediction_with_products_of_training_is_refused():
    pytest.importorskip("qwix")
    config = {"model": {"name": "raft-small"}, "precision": "int8_mixed", "mesh": {"data": 1}}
    with pytest.raises(errors.UserError, match="--predict: a prediction has no products in int8"):
        program.predict(config, jax.devices()[:1], (64, 64))
