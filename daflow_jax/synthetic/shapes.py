"""Outlines of the moving layers: inside distance in material coordinates, numpy or jax.numpy.

Material coordinates (u, v) are pixels of the shape at rest, origin at its centre. A distance is
positive inside and close to pixels near the outline, so that `clip(distance + 0.5, 0, 1)` is an
anti-aliased coverage. Each shape has a radius and `NUM_PARAMETERS` uniform numbers `p`.
"""

from typing import Any

import numpy as np

NAMES = ("background", "blob", "polygon", "bar", "ring", "fence", "dots")  # class labels 0..6
NUM_PARAMETERS = 12
BOUND = 1.6  # no outline leaves the square of this many radii


def blob(u: Any, v: Any, radius: Any, p: Any, xp: Any = np) -> Any:
    """Returns the inside distance of an ellipse whose radius wobbles with the angle."""
    aspect = 0.5 + 0.5 * p[0]
    x, y = u / radius, v / (radius * aspect)
    rho = xp.sqrt(x * x + y * y) + np.float32(1e-6)
    cos1, sin1 = x / rho, y / rho
    cos_j, sin_j, wobble = cos1, sin1, 1.0
    for order in range(2, 6):
        cos_j, sin_j = cos_j * cos1 - sin_j * sin1, sin_j * cos1 + cos_j * sin1
        phase, size = np.float32(2 * np.pi) * p[order], 0.3 * p[order + 4] / order
        wobble = wobble + size * (cos_j * xp.cos(phase) - sin_j * xp.sin(phase))
    return (wobble - rho) * (radius * aspect)


def polygon(u: Any, v: Any, radius: Any, p: Any, xp: Any = np) -> Any:
    """Returns the inside distance of a convex polygon with 3 to 6 edges."""
    edges = xp.floor(3 + 4 * p[0])
    inside = None
    for edge in range(6):
        turn = xp.mod(np.float32(edge), edges)
        angle = np.float32(2 * np.pi) * (turn / edges + p[11])
        reach = radius * (0.55 + 0.3 * p[1 + edge])
        distance = reach - (xp.cos(angle) * u + xp.sin(angle) * v)
        inside = distance if inside is None else xp.minimum(inside, distance)
    # Sharp corners of a triangle reach far out: a circle cuts them off.
    return xp.minimum(inside, 1.25 * radius - xp.sqrt(u * u + v * v))


def ring(u: Any, v: Any, radius: Any, p: Any, xp: Any = np) -> Any:
    """Returns the inside distance of an elliptic ring."""
    aspect = 0.6 + 0.4 * p[0]
    thickness = radius * (0.06 + 0.2 * p[1]) + 1.0
    y = v / aspect
    return thickness - xp.abs(xp.sqrt(u * u + y * y) - 0.9 * radius) * aspect


def lattice(u: Any, v: Any, radius: Any, p: Any, kind: Any, xp: Any = np) -> Any:
    """Returns the inside distance of a bar, a fence of bars or a grid of dots, by class label."""
    is_dots, is_bar = kind == NAMES.index("dots"), kind == NAMES.index("bar")
    period = radius * (0.35 + 0.3 * p[0])
    across = xp.where(is_bar, 0.0, xp.floor(radius / period))
    down = xp.where(is_dots, xp.floor(radius / period), 0.0)
    length = xp.where(is_dots, 0.0, radius * (0.8 + 0.4 * p[1]))
    slim = 1.0 + radius * 0.09 * p[2]
    thickness = xp.where(is_dots, period * (0.2 + 0.25 * p[2]), slim)
    x = u - period * xp.clip(xp.round(u / period), -across, across)
    y = xp.maximum(xp.abs(v - period * xp.clip(xp.round(v / period), -down, down)) - length, 0.0)
    return thickness - xp.sqrt(x * x + y * y)


def inside(kind: int, u: np.ndarray, v: np.ndarray, radius: Any, p: np.ndarray) -> np.ndarray:
    """Returns the inside distance (numpy) of the shape with class label `kind` in 1..6."""
    plain = {"blob": blob, "polygon": polygon, "ring": ring}.get(NAMES[kind])
    if plain is None:
        return lattice(u, v, radius, p, kind).astype(np.float32, copy=False)
    return plain(u, v, radius, p)
