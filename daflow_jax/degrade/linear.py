"""Resampling of both axes by matrices, for NumPy arrays and traced ones."""

from typing import Any

import numpy as np


def along_both(rows: np.ndarray, columns: np.ndarray, frames: Any) -> Any:
    """Returns frames (..., H, W, c) of (..., h, w, c) by the matrices (H, h) and (W, w).

    Products are in full precision, in the dtype of the frames.
    """
    frames = _along_rows(rows.astype(frames.dtype), frames)
    frames = _along_rows(columns.astype(frames.dtype), frames.swapaxes(-2, -3))
    return frames.swapaxes(-2, -3)


def _along_rows(matrix: np.ndarray, x: Any) -> Any:
    flat = x.reshape(*x.shape[:-2], -1)
    if isinstance(x, np.ndarray):
        out = matrix @ flat
    else:
        import jax.numpy as jnp

        out = jnp.matmul(matrix, flat, precision="highest")
    return out.reshape(*x.shape[:-3], len(matrix), *x.shape[-2:])


def module_of(x: Any) -> Any:
    """Returns numpy for a NumPy array, jax.numpy for a traced one."""
    if isinstance(x, np.ndarray):
        return np
    import jax.numpy as jnp

    return jnp
