"""Slices that a data center's network joins: which devices they are, and the same training."""

import types

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from daflow_jax import errors, sharding
from daflow_jax.sharding import slices
from daflow_jax.train import data_feed, setup
from tests.train import toy


def device(number, **more):
    about = {"id": number, "process_index": 0, "platform": "cpu", "device_kind": "cpu"}
    return types.SimpleNamespace(**{**about, **more})


def tpus(count, chips=4):
    """Returns v5e slices of 2 x 2 chips, as ahead-of-time compilation describes them."""
    return [
        device(
            100_000 * (index + 1) + chip,
            platform="tpu",
            device_kind="TPU v5 lite",
            slice_index=index,
            process_index=index,
            coords=(chip % 2, chip // 2, 0),
            core_on_chip=0,
        )
        for index in range(count)
        for chip in range(chips)
    ]


def test_every_slice_is_one_block_of_the_mesh():
    found = slices.arranged(tpus(2), 2, (2, 2, 1, 1))
    assert found.shape == (2, 2, 2, 1, 1)
    assert [{x.slice_index for x in block.flat} for block in found] == [{0}, {1}]
    plain = slices.arranged([device(i) for i in range(8)], 2, (4,))  # they do not tell
    assert [x.id for x in plain.flat] == list(range(8))


@pytest.mark.parametrize(
    "devices, count, message",
    [
        (tpus(2), 1, "dcn: 1, but the devices are 2 slices. Use 2; "),
        (tpus(1), 2, "dcn: 2, but the devices are 1 slice. Use 1; "),
        ([device(i, process_index=i // 4) for i in range(8)], 4, "4 parts .* cut through a proc"),
    ],
)
def test_slices_that_are_none_are_refused(devices, count, message):
    with pytest.raises(errors.UserError, match=message):
        slices.arranged(devices, count, (len(devices) // count,))


def test_processes_are_slices_where_devices_do_not_tell():
    found = slices.arranged([device(i, process_index=i // 2) for i in range(8)], 2, (4,))
    assert [{x.process_index for x in part} for part in found] == [{0, 1}, {2, 3}]


def test_clips_are_split_over_slices_and_parameters_are_not():
    mesh = sharding.make_mesh({"dcn": 2, "fsdp": -1})
    assert dict(mesh.shape) == {"dcn": 2, "data": 1, "fsdp": 4, "seq": 1, "tensor": 1}
    assert sharding.clip_ways(mesh) == 8
    rows = sharding.place_batch({"lq": np.arange(16.0)}, mesh)["lq"]
    assert [shard.data.shape for shard in rows.addressable_shards] == [(2,)] * 8
    leaf = jax.ShapeDtypeStruct((64, 128), np.float32)
    assert sharding.tree_shardings(leaf, mesh).spec == P(None, "fsdp")
    with pytest.raises(errors.UserError, match=r"12 clips .* 8 devices \(dcn x data x fsdp\)"):
        sharding.check_batch_size(12, mesh)


def _losses(devices, axes, steps=3):
    e = toy.experiment(devices=devices, axes=axes, frozen=())
    like, found = setup.abstract_state(e), []
    with jax.set_mesh(e.mesh):
        run = data_feed.make_feed(e.data, setup.make_step(e), e.mesh, like)
        new = setup.initial_state(e, like)
        for _ in range(steps):
            new, metrics = run(new)
            found.append(float(metrics["loss"]))
    return found, jax.device_get(new.params)


def test_losses_on_two_slices_are_those_of_one_device():
    alone, params = _losses(1, {"data": 1})
    spread, others = _losses(8, {"dcn": 2, "data": 2, "fsdp": 2})
    np.testing.assert_allclose(spread, alone, rtol=1e-5)
    for a, b in zip(jax.tree.leaves(others), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
