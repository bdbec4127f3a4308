"""Slices of devices: inside of one, chips have links of their own; between two lies the network of
the data center, 64 to 96 times slower (`profiling.peak_rates`). The mesh axis `dcn` counts slices.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.experimental import mesh_utils

from daflow_jax import errors

WHERE = "config.mesh.dcn"


def arranged(devices: Sequence[Any], count: int, sizes: Sequence[int]) -> np.ndarray:
    """Returns the devices (`jax.Device`) as an array (count, *sizes), one slice after the other.

    Raises UserError for TPUs that are not `count` slices, and for a process in two slices.
    """
    parts = _parts(devices, count)
    if count == 1 or devices[0].platform != "tpu" or _single_cores(devices):
        return np.stack([_inside(part, sizes) for part in parts])
    return mesh_utils.create_hybrid_device_mesh(
        (1, *sizes), (count, *(1 for _ in sizes)), devices, allow_split_physical_axes=True
    )


def _parts(devices: Sequence[Any], count: int) -> list[Sequence[Any]]:
    """Returns the slices: as the devices tell, else, not for TPUs, equal parts in their order."""
    told: dict[int, list[Any]] = {}
    for device in devices:
        told.setdefault(getattr(device, "slice_index", 0), []).append(device)
    if len(told) == count:
        return [told[index] for index in sorted(told)]
    if devices[0].platform == "tpu":
        rule = f"{count}, but the devices are {len(told)} slice{'s' if len(told) > 1 else ''}"
        raise errors.UserError(WHERE, rule, f"Use {len(told)}; data and fsdp are inside of a slice")
    size = len(devices) // count
    parts = [devices[i * size : (i + 1) * size] for i in range(count)]
    owners = [{device.process_index for device in part} for part in parts]
    if len(set().union(*owners)) > 1 and sum(map(len, owners)) > len(set().union(*owners)):
        rule = f"{count} parts of {size} devices cut through a process"
        raise errors.UserError(WHERE, rule, "Use a divisor of the number of processes")
    return parts


def _inside(devices: Sequence[Any], sizes: Sequence[int]) -> np.ndarray:
    if _single_cores(devices):
        return np.asarray(devices).reshape(sizes)  # which JAX does not arrange
    # any sizes, also where an axis takes a part of one dimension of a TPU's torus
    return mesh_utils.create_device_mesh(sizes, devices, allow_split_physical_axes=True)


def _single_cores(devices: Sequence[Any]) -> bool:
    return any(getattr(device, "core_on_chip", 0) for device in devices)
