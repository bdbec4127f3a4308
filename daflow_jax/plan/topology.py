"""Names of machines, and devices that stand for them without being there."""

import importlib.util
import math
import os
import re
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from daflow_jax import errors
from daflow_jax.plan import gpus
from daflow_jax.profiling import peak_rates

GIB = 2**30
# what the compiler lets a program of one device have; it keeps the rest for itself (libtpu 0.0.42)
LIMITS = {"v4": 15.25 * GIB, "v5e": 15.75 * GIB, "v5p": 95.74 * GIB, "v6e": 31.25 * GIB}
DEVICES_PER_CHIP = {"v4": 2}  # compiled ahead of time, a v4 program is for one of two cores
ENVIRONMENT = {  # keeps libtpu from asking a machine that is not there
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
_GPUS = "|".join(gpus.GPUS)
_NAME = re.compile(
    r"(?:([1-9]\d{0,2})x)?"
    rf"(?:(v4|v5e|v5p|v6e):(\d+(?:x\d+){{1,2}})|(cpu|{_GPUS}):(\d+))"
)


class Topology(NamedTuple):
    """`slices` equal slices of the shape `slice` ("v5e:4x4"); of GPUs a slice is a machine.

    kind: v4, v5e, v5p, v6e, one of `gpus.GPUS`, or cpu. devices: of all slices. limit: bytes for
    the program of one.
    """

    name: str
    kind: str
    devices: int
    limit: float | None
    slices: int = 1

    @property
    def slice(self) -> str:
        """The name of one slice."""
        return self.name.removeprefix(f"{self.slices}x")

    @property
    def devices_per_chip(self) -> int:
        return DEVICES_PER_CHIP.get(self.kind, 1)


def parse(name: str) -> Topology:
    """Returns the slice called "v5e:4x4", the two slices "2xv5e:4x4", the machine of eight GPUs
    "h100:8" or, for trying, "cpu:8".

    Raises UserError for other names, and with code 3 where the compiler is not installed.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        remedy = "Write v5e:4x4, 2xv5e:4x4 (two slices), v5p:4x4x4, h100:8 or, for a trial, cpu:8"
        raise errors.UserError(
            f"--topology {name}", "is not a slice that a program can be for", remedy
        )
    slices = int(match[1] or 1)
    if match[4]:
        count, on_cpu = slices * int(match[5]), match[4] == "cpu"
        if not on_cpu and not has_cuda():
            remedy = "pip install 'daflow-jax[cuda12]' (Linux); no GPU is needed"
            raise errors.UserError(f"--topology {name}", "needs JAX's CUDA plugin", remedy, 3)
        return Topology(name, match[4], count, None if on_cpu else gpus.limit(match[4]), slices)
    if importlib.util.find_spec("libtpu") is None:
        remedy = "pip install 'daflow-jax[plan]' (Linux, x86-64)"
        raise errors.UserError(f"--topology {name}", "needs libtpu, the TPU compiler", remedy, 3)
    count = slices * math.prod(int(n) for n in match[3].split("x"))
    kind = match[2]
    return Topology(name, kind, count * DEVICES_PER_CHIP.get(kind, 1), LIMITS[kind], slices)


def has_cuda() -> bool:
    """Returns whether JAX's CUDA plugin is installed, which brings the compiler for GPUs."""
    if importlib.util.find_spec("jax_plugins") is None:
        return False
    return any(importlib.util.find_spec(f"jax_plugins.xla_cuda{n}") for n in (12, 13))


def environment(topology: Topology) -> dict[str, str]:
    """Returns what must be in the environment of a process before it calls `devices`."""
    if topology.kind in LIMITS:
        return ENVIRONMENT
    flag = f"--xla_force_host_platform_device_count={topology.devices}"
    if topology.kind in gpus.GPUS:
        flag = gpus.FLAGS
    flags = f"{os.environ.get('XLA_FLAGS', '')} {flag}"  # the last one counts
    return {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags.strip()}


def devices(topology: Topology) -> list[jax.Device]:
    """Returns its devices; programs can be compiled for those of TPUs and GPUs, not run."""
    if topology.kind == "cpu":
        return jax.devices("cpu")[: topology.devices]
    from jax.experimental import topologies

    if topology.kind in gpus.GPUS:
        shape = f"{topology.slices}x1x{topology.devices // topology.slices}"
        about: dict[str, Any] = dict(target_config=gpus.target(topology.kind), topology=shape)
        return list(topologies.get_topology_desc("", "cuda", **about).devices)
    try:
        more: dict[str, Any] = {"num_slices": topology.slices} if topology.slices > 1 else {}
        if topology.slice.endswith(":1x1"):  # machines of four chips are assumed else
            more["chips_per_host_bounds"] = (1, 1, 1)
        found = topologies.get_topology_desc(topology.slice, "tpu", **more)
    except jax.errors.JaxRuntimeError as error:
        first = str(error).splitlines()[0]
        remedy = "Use a shape of the cloud's list, such as v5e:4x4 or v5p:2x2x2"
        raise errors.UserError(f"--topology {topology.name}", first, remedy) from error
    return list(found.devices)


def rates(topology: Topology, mesh: Mesh) -> peak_rates.Chip | None:
    """Returns the published rates of one device of the mesh, None where there are none."""
    chip = peak_rates.find(mesh.devices.flat[0].device_kind)
    if chip is None:
        return None
    parts = {"bf16", "float32", "memory", "bandwidth", "links", "dcn", "int8", "fp8"}
    return chip._replace(**{x: getattr(chip, x) / topology.devices_per_chip for x in parts})
