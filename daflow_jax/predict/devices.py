"""Devices by name, and the mesh that a name and axes stand for."""

import re
from collections.abc import Mapping

import jax

from daflow_jax import errors
from daflow_jax.predict import environment
from daflow_jax.predict.placement import Placement, spread

_PLATFORMS = ("auto", "cpu", "gpu", "cuda", "rocm", "tpu")


def place(device: str, mesh: Mapping[str, int] | None = None) -> Placement:
    """Returns the placement on a device called as in `find_device`, or on a mesh of its kind."""
    found = find_device(device)
    return Placement(found) if mesh is None else spread(mesh, found)


def find_device(name: str = "auto") -> jax.Device:
    """Returns the device called "auto", "cpu", "gpu", "tpu" or one by number, "cuda:1"."""
    platform, index = _parsed(name)
    environment.check()
    if platform == "auto":
        return jax.devices()[0]
    try:
        found = jax.devices(platform)
    except RuntimeError:
        seen = ", ".join(sorted({device.platform for device in jax.devices()}))
        extra = "daflow-jax[tpu]" if platform == "tpu" else "daflow-jax[cuda12]"
        raise errors.UserError(
            f"--device {name}", f"JAX sees only {seen}", f"Install {extra} or run: daflow doctor", 3
        ) from None
    if index >= len(found):
        rule = f"JAX sees {len(found)} of this kind"
        raise errors.UserError(f"--device {name}", rule, "Count from 0", 3)
    return found[index]


def _parsed(name: str) -> tuple[str, int]:
    platform, colon, index = name.partition(":")
    if platform not in _PLATFORMS:
        known = errors.nearest(platform, ["auto", "cpu", "gpu", "tpu", "cuda:1"])
        raise errors.UserError(f"device {name}", "is unknown", known)
    if colon and (platform == "auto" or not re.fullmatch("[0-9]+", index)):
        raise errors.UserError(
            f"device {name}", f"{index!r} names none", "Use auto, gpu or, counted from 0, cuda:1"
        )
    return platform, int(index or 0)
