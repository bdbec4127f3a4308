"""Where a prediction runs: on one device, or spread over a mesh by the tables of training."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

from daflow_jax import errors, sharding
from daflow_jax.predict import padding
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
        return 1 if self.mesh is None else self.mesh.shape["data"] * self.mesh.shape["fsdp"]

    @property
    def clip_axes(self) -> tuple[str, ...]:
        """The mesh axes that clips are spread over."""
        return axes.RULES["batch"] if self.clips_at_once > 1 else ()

    def multiple(self, multiple: int) -> int:
        """Returns what height must be a multiple of, so that every device gets equally many
        rows."""
        return multiple if self.mesh is None else multiple * self.mesh.shape["seq"]

    def padded(self, size: tuple[int, int], multiple: int, bucket: int = 64) -> tuple[int, int]:
        """Returns the size that frames of (height, width) are padded to."""
        step = math.lcm(bucket, self.multiple(multiple))
        top, bottom, left, right = padding.fit(size, step)
        return size[0] + top + bottom, size[1] + left + right

    def whole(self) -> Sharding:
        """Returns where an array goes that every device holds whole."""
        if self.mesh is None:
            return SingleDeviceSharding(self.device)
        return NamedSharding(self.mesh, PartitionSpec())

    def clips(self, shape: Sequence[int]) -> Sharding:
        """Returns where (b, f, h, w, c) goes: clips over `data` and `fsdp`; their rows are split
        where the network has tokens."""
        if self.mesh is None:
            return self.whole()
        return NamedSharding(self.mesh, axes.spec(shape, _CLIPS, self.mesh.shape))

    def variables(self, module: Any, variables: Any) -> Any:
        """Returns where each of a flow network's variables goes, in training's manner."""
        if self.mesh is None:
            return jax.tree.map(lambda _: self.whole(), variables)
        frames = jnp.zeros((1, module.config.frames, padding.MINIMUM, padding.MINIMUM, 3))
        keys = {"params": jax.random.key(0), "noise": jax.random.key(0)}
        names = axes.recorded(lambda: module.init(keys, frames, iters=1))
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
