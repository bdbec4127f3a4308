"""Meshes, the placement of batches and parameters, and the batch rules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from daflow_jax import errors, sharding
from tests import batches as batch


def test_mesh_takes_what_is_left_and_refuses_what_does_not_fit():
    assert tuple(sharding.make_mesh({"data": -1, "fsdp": 2}).shape.values()) == (1, 4, 2, 1, 1)
    assert tuple(sharding.make_mesh({"seq": 2, "tensor": 4}).shape.values()) == (1, 1, 1, 2, 4)
    with pytest.raises(errors.UserError, match="does not fit 8 devices"):
        sharding.make_mesh({"data": 3})
    with pytest.raises(errors.UserError, match="at most one may be -1"):
        sharding.make_mesh({"data": -1, "fsdp": -1})


def test_leaves_split_along_their_largest_divisible_dimension():
    mesh = sharding.make_mesh({"data": 2, "fsdp": 4})
    shapes = {"wide": (64, 128), "odd": (129, 64), "prime": (127, 129), "small": (4, 4), "none": ()}
    tree = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}
    got = {name: place.spec for name, place in sharding.tree_shardings(tree, mesh).items()}
    split = {"wide": P(None, "fsdp"), "odd": P(None, "fsdp")}
    assert got == {"prime": P(), "small": P(), "none": P(), **split}


def test_batch_is_split_over_all_devices():
    mesh = sharding.make_mesh({"data": 2, "fsdp": 4})
    rows = sharding.place_batch({"lq": np.arange(16.0)}, mesh)["lq"]
    assert [shard.data.shape for shard in rows.addressable_shards] == [(2,)] * 8
    assert np.array_equal(rows, np.arange(16.0))


def _rows():
    return {key: np.asarray(value) for key, value in batch.zeros(2, 3, 8, 16).items()}


def test_padding_repeats_a_row_with_weight_zero():
    padded = batch.pad(_rows(), 5)
    assert padded["flow"].shape == (5, 2, 8, 16, 2) and padded["weight"].tolist() == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    "key, value, message",
    [
        (
            "lq",
            np.full((2, 3, 8, 16, 3), 255, np.float32),
            r"batch lq: values 255 to 255; .*\[0, 1\]",
        ),
        ("hq", np.full((2, 3, 8, 16, 3), np.nan, np.float32), "batch hq: holds NaN"),
        ("flow", np.full((2, 2, 8, 16, 2), 1e9, np.float32), "batch flow: up to 1e"),
        ("flow", np.zeros((2, 3, 8, 16, 2), np.float32), r"the rule is float32\[2, 2, 8, 16, 2\]"),
        ("flwo", np.zeros(2, np.float32), "Did you mean flow"),
    ],
)
def test_check_names_what_is_wrong(key, value, message):
    batch.check(_rows())
    with pytest.raises(errors.UserError, match=message):
        batch.check(_rows() | {key: value})
