"""Borders around frames so that every size fits a network; for numpy arrays and traced ones."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Padding(NamedTuple):
    """Pixels added on each side, as RAFT's padder for Sintel spreads them: evenly, odd one last."""

    top: int
    bottom: int
    left: int
    right: int


def fit(size: tuple[int, int], multiple: int, minimum: int = 1) -> Padding:
    """Returns the padding that brings (height, width) to the next multiple, at least `minimum`."""
    target = [-(-max(length, minimum) // multiple) * multiple for length in size]
    vertical, horizontal = target[0] - size[0], target[1] - size[1]
    return Padding(
        vertical // 2, vertical - vertical // 2, horizontal // 2, horizontal - horizontal // 2
    )


def padded(size: tuple[int, int], multiple: int, minimum: int = 1) -> tuple[int, int]:
    """Returns the (height, width) that `fit` leads to."""
    top, bottom, left, right = fit(size, multiple, minimum)
    return size[0] + top + bottom, size[1] + left + right


def pad(frames: Any, padding: Padding) -> Any:
    """Returns frames (..., h, w, c) with their border pixels repeated outwards."""
    if not any(padding):
        return frames
    if isinstance(frames, np.ndarray):
        around = [(0, 0)] * (frames.ndim - 3) + [tuple(padding[:2]), tuple(padding[2:]), (0, 0)]
        return np.pad(frames, around, mode="edge")
    return _along(_along(frames, frames.ndim - 3, padding[:2]), frames.ndim - 2, padding[2:])


def _along(x: Any, axis: int, sides: tuple[int, int]) -> Any:
    """Returns a traced array with its first and last entries repeated along one axis.

    As `jnp.pad` does, whose empty borders along the other axes have no counterpart in ONNX.
    """
    before, after = (
        jnp.repeat(jax.lax.slice_in_dim(x, end, end + 1, axis=axis), count, axis=axis)
        for end, count in ((0, sides[0]), (x.shape[axis] - 1, sides[1]))
    )
    parts = [part for part in (before, x, after) if part.shape[axis]]
    return jnp.concatenate(parts, axis=axis)


def crop(arrays: Any, padding: Padding, scale: int = 1) -> Any:
    """Returns (..., h, w, c) without the padding of frames that were `scale` times smaller."""
    top, bottom, left, right = (scale * side for side in padding)
    height, width = arrays.shape[-3:-1]
    return arrays[..., top : height - bottom, left : width - right, :]
