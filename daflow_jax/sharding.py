"""How devices are arranged and who holds what: one mesh, batches split over it, parameters over
`fsdp`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from daflow_jax import errors

AXES = ("data", "fsdp")
MIN_SHARDED_SIZE = 4096  # smaller parameters are replicated: the exchange would cost more [choice]


def make_mesh(axes: Mapping[str, int], devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Returns the mesh `{"data": n, "fsdp": m}` over the devices; one size may be -1, "what is
    left".
    """
    devices = jax.devices() if devices is None else devices
    for name in axes:
        if name not in AXES:
            raise errors.UserError(
                f"config.mesh.{name}", "unknown axis", errors.nearest(name, AXES)
            )
    sizes = [int(axes.get(name, 1)) for name in AXES]
    known = math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) > 1 or any(size < 1 and size != -1 for size in sizes):
        raise errors.UserError(
            "config.mesh", f"{dict(axes)}: sizes are >= 1, at most one may be -1"
        )
    if len(devices) % known or (-1 not in sizes and known != len(devices)):
        rule = f"{dict(axes)} does not fit {len(devices)} devices"
        raise errors.UserError("config.mesh", rule, 'Use {"data": -1, "fsdp": 1} to take them all')
    sizes = [len(devices) // known if size == -1 else size for size in sizes]
    return Mesh(np.asarray(devices).reshape(sizes), AXES, axis_types=(AxisType.Auto,) * len(AXES))


def check_batch_size(batch_size: int, mesh: Mesh, where: str = "config.train.batch_size") -> None:
    """Raises UserError naming the nearest valid sizes unless every device gets equally many
    clips.
    """
    ways = mesh.shape["data"] * mesh.shape["fsdp"]
    if batch_size % ways or batch_size < 1:
        below, above = batch_size // ways * ways, (batch_size // ways + 1) * ways
        near = f"{below} or {above}" if below else f"{above}"
        raise errors.UserError(
            where,
            f"{batch_size} clips do not divide over {ways} devices (data x fsdp)",
            f"Use {near}",
        )


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of an array that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of a batch: rows over both axes, as fully sharded data parallelism
    wants.
    """
    return NamedSharding(mesh, PartitionSpec(AXES))


def place_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Returns the global batch of which this process holds the given rows."""
    place = batch_sharding(mesh)
    return {
        key: jax.make_array_from_process_local_data(place, np.asarray(x))
        for key, x in batch.items()
    }


def tree_shardings(tree: Any, mesh: Mesh) -> Any:
    """Returns a sharding for every leaf: the largest divisible dimension over `fsdp`, else
    replicated.
    """
    return jax.tree.map(lambda leaf: _leaf_sharding(leaf, mesh), tree)


def _leaf_sharding(leaf: Any, mesh: Mesh) -> NamedSharding:
    ways, shape = mesh.shape["fsdp"], leaf.shape
    divisible = [i for i, size in enumerate(shape) if size % ways == 0 and size >= ways]
    if ways == 1 or math.prod(shape) < MIN_SHARDED_SIZE or not divisible:
        return replicated(mesh)
    axis = max(divisible, key=lambda i: shape[i])
    return NamedSharding(
        mesh, PartitionSpec(*("fsdp" if i == axis else None for i in range(len(shape))))
    )
