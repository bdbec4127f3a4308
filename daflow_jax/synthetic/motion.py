"""How a layer's material moves: an affine pose and two travelling shear waves.

`material` takes a pixel of a frame to the point of the layer seen there; `place` is its exact
inverse. A shear by a sine of the *other* coordinate is undone by subtracting the same sine, so the
flow of non-rigid motion needs no iteration: flow = place(pose[k+1], material(pose[k], x)) - x.
"""

from typing import Any, NamedTuple

import numpy as np


class Pose(NamedTuple):
    """Where a layer is: leading axes are any of layers and frames (float32)."""

    linear: Any  # (..., 2, 2) material -> frame
    inverse: Any  # (..., 2, 2)
    center: Any  # (..., 2) pixel (x, y) of the material's origin
    amplitude: Any  # (..., 2) of the two shears, in material pixels
    phase: Any  # (..., 2) in radians
    frequency: Any  # (..., 2) in radians per material pixel


def at(pose: Pose, *where: int) -> Pose:
    """Returns the pose at the given leading indices."""
    return Pose(*(leaf[where] for leaf in pose))


def material(pose: Pose, x: Any, y: Any, xp: Any = np) -> tuple[Any, Any]:
    """Returns the material coordinates (u, v) that one pose shows at the pixels (x, y)."""
    dx, dy = x - pose.center[0], y - pose.center[1]
    u = pose.inverse[0, 0] * dx + pose.inverse[0, 1] * dy
    v = pose.inverse[1, 0] * dx + pose.inverse[1, 1] * dy
    u = u + pose.amplitude[0] * xp.sin(pose.frequency[0] * v + pose.phase[0])
    v = v + pose.amplitude[1] * xp.sin(pose.frequency[1] * u + pose.phase[1])
    return u, v


def place(pose: Pose, u: Any, v: Any, xp: Any = np) -> tuple[Any, Any]:
    """Returns the pixels (x, y) at which the material points (u, v) are seen."""
    v = v - pose.amplitude[1] * xp.sin(pose.frequency[1] * u + pose.phase[1])
    u = u - pose.amplitude[0] * xp.sin(pose.frequency[0] * v + pose.phase[0])
    x = pose.linear[0, 0] * u + pose.linear[0, 1] * v + pose.center[0]
    y = pose.linear[1, 0] * u + pose.linear[1, 1] * v + pose.center[1]
    return x, y
