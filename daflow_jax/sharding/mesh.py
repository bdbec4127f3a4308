"""How devices are arranged and who holds what: one mesh, batches split over `dcn`, `data` and
`fsdp`, parameters by the names of their dimensions (`daflow_jax.sharding.axes`).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from daflow_jax import errors
from daflow_jax.sharding import axes as dimensions
from daflow_jax.sharding import slices

AXES = ("dcn", "data", "fsdp", "seq", "tensor")
MIN_SHARDED_SIZE = 4096  # smaller parameters are replicated: the exchange would cost more [choice]


def make_mesh(axes: Mapping[str, int], devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Returns the mesh `{"dcn": d, "data": n, "fsdp": m, "seq": s, "tensor": t}` over the devices.

    Axes left out have size 1; one size may be -1, "what is left". `seq` and `tensor`, which talk
    most, get the nearest neighbours; `dcn` counts slices, and all other axes lie within one.
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
    arranged = slices.arranged(devices, sizes[0], sizes[1:])
    return Mesh(arranged, AXES, axis_types=(AxisType.Auto,) * len(AXES))


def clip_ways(mesh: Mesh) -> int:
    """Returns into how many parts a mesh splits the clips of a batch."""
    return math.prod(mesh.shape[axis] for axis in dimensions.RULES["batch"])


def check_batch_size(batch_size: int, mesh: Mesh, where: str = "config.train.batch_size") -> None:
    """Raises UserError naming the nearest valid sizes unless every device gets equally many
    clips.
    """
    ways = clip_ways(mesh)
    if batch_size % ways or batch_size < 1:
        below, above = batch_size // ways * ways, (batch_size // ways + 1) * ways
        near = f"{below} or {above}" if below else f"{above}"
        raise errors.UserError(
            where,
            f"{batch_size} clips do not divide over {ways} devices (dcn x data x fsdp)",
            f"Use {near}",
        )


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of an array that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of a batch: clips over `dcn`, `data` and `fsdp`, else whole."""
    return NamedSharding(mesh, PartitionSpec(dimensions.RULES["batch"]))


def process_share(mesh: Mesh) -> tuple[int, int]:
    """Returns (index, count): this process holds part `index` of `count` equal parts of a batch.

    Processes that `seq` or `tensor` join hold the same part.
    """
    ways = clip_ways(mesh)
    rows: dict[int, set[int]] = {}
    for device, index in batch_sharding(mesh).devices_indices_map((ways,)).items():
        rows.setdefault(device.process_index, set()).add(index[0].indices(ways)[0])
    parts = sorted({tuple(sorted(part)) for part in rows.values()})
    if sum(map(len, parts)) != ways or len({len(part) for part in parts}) > 1:
        rule = f"{dict(mesh.shape)} gives the processes overlapping or unequal parts of a batch"
        raise errors.UserError("config.mesh", rule, "Let seq x tensor divide a process's devices")
    return parts.index(tuple(sorted(rows[jax.process_index()]))), len(parts)


def place_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Returns the global batch of which this process holds the given rows."""
    place = batch_sharding(mesh)
    return {
        key: jax.make_array_from_process_local_data(place, np.asarray(x))
        for key, x in batch.items()
    }


Names = Mapping[str, Sequence[str]]  # parameter path -> names of its dimensions


def tree_shardings(tree: Any, mesh: Mesh, names: Names | None = None) -> Any:
    """Returns a sharding for every leaf of a state: by the names of its dimensions where `names`
    has them, else the largest divisible dimension over `fsdp`, else replicated.

    A path of `names` ("backbone/dit/...") stands for every leaf whose path ends with it: the
    parameter, its average and its moments. Small leaves are replicated.
    """
    names = {} if names is None else names

    def place(path, leaf):
        return _leaf_sharding(leaf, mesh, _names_of(path, names))

    return jax.tree_util.tree_map_with_path(place, tree)


def _names_of(path, names: Names) -> Sequence[str]:
    parts = jax.tree_util.keystr(path, simple=True, separator="/").split("/")
    ends = ("/".join(parts[i:]) for i in range(len(parts)))
    return next((names[end] for end in ends if end in names), ())


def _leaf_sharding(leaf: Any, mesh: Mesh, names: Sequence[str]) -> NamedSharding:
    ways, shape = mesh.shape["fsdp"], leaf.shape
    if math.prod(shape) < MIN_SHARDED_SIZE:
        return replicated(mesh)
    places: list[Any] = [None] * len(shape)
    if len(names) == len(shape):
        places = list(dimensions.spec(shape, names, mesh.shape))
    taken = {axis for x in places if x for axis in ((x,) if isinstance(x, str) else x)}
    free = [i for i, x in enumerate(places) if x is None and shape[i] % ways == 0]
    if ways > 1 and free and "fsdp" not in taken:
        places[max(free, key=lambda i: shape[i])] = "fsdp"
    return NamedSharding(mesh, PartitionSpec(*places) if any(places) else PartitionSpec())
