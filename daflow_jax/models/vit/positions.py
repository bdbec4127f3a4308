"""Positions of another grid from a learned table, as DINO interpolates them."""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_A = -0.75  # of PyTorch's bicubic kernel


@functools.lru_cache(maxsize=16)
def weights(size: int, new: int) -> np.ndarray:
    """Returns the (new, size) matrix of bicubic interpolation without antialiasing, edges repeated.

    DINO asks for (new + 0.1) / size times the size, so that rounding gives `new`, and PyTorch then
    takes steps of size / (new + 0.1), not size / new.
    """
    if size == new:
        return np.eye(size, dtype=np.float32)
    place = (np.arange(new) + 0.5) * size / (new + 0.1) - 0.5
    left = np.floor(place).astype(int)
    out = np.zeros((new, size))
    for tap in range(-1, 3):
        share = _cubic(np.abs(place - left - tap))
        np.add.at(out, (np.arange(new), np.clip(left + tap, 0, size - 1)), share)
    return out.astype(np.float32)


def _cubic(x: np.ndarray) -> np.ndarray:
    near = (_A + 2) * x**3 - (_A + 3) * x**2 + 1
    far = _A * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def interpolate(
    table: Float[Array, "n n c"], grid: tuple[int, int]
) -> Float[Array, "{grid[0]} {grid[1]} c"]:
    """Returns the positions of `grid` = (rows, columns) tokens."""
    if table.shape[:2] == tuple(grid):
        return table
    rows, columns = (weights(table.shape[0], new) for new in grid)
    return jnp.einsum("yr,xc,rcd->yxd", rows, columns, table, precision="highest")
