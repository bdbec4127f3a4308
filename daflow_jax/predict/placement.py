"""Where a prediction runs: on one device, or spread over a mesh by the tables of training."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

from daflow_jax import errors, sharding
from daflow_jax.models import calls
from daflow_jax.ops.coarse_to_fine import Grid
from daflow_jax.sharding import axes

_CLIPS = ("batch", "frames", "image_rows", "columns", "channels")


class Placement(NamedTuple):
    """One device, or the mesh that it is the first device of."""

    device: jax.Device
    mesh: Mesh | None = None

    def context(self) -> contextlib.AbstractContextManager[Any]:
        """Returns what a program must be traced under."""
        return contextlib.nullcontext() if self.mesh is None else jax.set_mesh(self.mesh)

    @property
    def clips_at_once(self) -> int:
        """How many clips run side by side: their number should be a multiple of it."""
        return 1 if self.mesh is None else sharding.clip_ways(self.mesh)

    @property
    def clip_axes(self) -> tuple[str, ...]:
        """The mesh axes that clips are spread over."""
        return axes.RULES["batch"] if self.clips_at_once > 1 else ()

    def multiple(self, multiple: int) -> int:
        """Returns what height must be a multiple of, so that every device gets equally many
        rows."""
        return multiple if self.mesh is None else multiple * self.mesh.shape["seq"]

    def grid(self, config: Any) -> Grid:
        """Returns which frames a flow network takes here."""
        return Grid(self.multiple(config.multiple), config.minimum, config.stride)

    def whole(self) -> Sharding:
        """Returns where an array goes that every device holds whole."""
        if self.mesh is None:
            return SingleDeviceSharding(self.device)
        return NamedSharding(self.mesh, PartitionSpec())

    def input(self, shape: Sequence[int]) -> Sharding:
        """Returns where an input goes: clips (b, f, h, w, c) over `dcn`, `data` and `fsdp`,
        while their rows are split where the network has tokens; everything else whole."""
        if self.mesh is None or len(shape) != len(_CLIPS):
            return self.whole()
        return NamedSharding(self.mesh, axes.spec(shape, _CLIPS, self.mesh.shape))

    def variables(self, module: Any, variables: Any) -> Any:
        """Returns where each of a network's variables goes, in training's manner."""
        if self.mesh is None:
            return jax.tree.map(lambda _: self.whole(), variables)
        names = axes.recorded(lambda: calls.init(module, jax.random.key(0)))
        return sharding.tree_shardings(variables, self.mesh, names)


def spread(mesh: Mapping[str, int], device: jax.Device) -> Placement:
    """Returns the placement on a mesh such as {"seq": 4} of devices of this kind, the first ones.

    Raises UserError, with code 3 where there are too few.
    """
    devices = jax.devices(device.platform)
    count = math.prod(mesh.values())
    if count > len(devices):
        rule = f"{dict(mesh)} needs {count} devices, JAX sees {len(devices)}"
        raise errors.UserError("mesh", rule, "Use a smaller one", 3)
    made = sharding.make_mesh(mesh, devices[:count] if count > 0 else devices)
    return Placement(made.devices.flat[0], made)
