"""JFFRA: the block against its fixture, sizes and shapes, the start flow, clips."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, models
from daflow_jax.models import calls
from daflow_jax.models.jffra import network, restoration
from daflow_jax.models.jffra.config import BlockConfig, JFFRAConfig
from tests.models import parity, parity_restoration

TINY = JFFRAConfig(
    channels=(4, 6),
    temporal=1,
    block=BlockConfig(heads=1, window=4, radius=2, head=(8,)),
    encoder_blocks=False,
    resampling="conv",
    finest_cost=2,
    start="",
)


@pytest.mark.parametrize("name", sorted(parity_restoration.INPUTS))
def test_every_array_of_the_fixture(name):
    parts = [p for p in "ab" if (parity_restoration.GOLDEN / f"{name}_{p}.npz").exists()]
    if not parts:
        pytest.skip("of ops.local_correlation; DAFLOW_GOLDEN_RESTORATION names the folder")
    with jax.default_matmul_precision("highest"):
        for part in parts:
            inputs = parity_restoration.INPUTS[name]
            rows = parity_restoration.rows(name, part)
            parity.check(rows, parity_restoration.files(name, part), inputs)
