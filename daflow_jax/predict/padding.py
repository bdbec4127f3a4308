"""Borders around frames so that every size fits the network and few sizes are compiled."""

from typing import NamedTuple

import numpy as np

MINIMUM = 128  # RAFT's coarsest correlation level needs 2 x 2 entries: 128 / 8 / 8


class Padding(NamedTuple):
    """Pixels added on each side, as RAFT's padder for Sintel spreads them: evenly, odd one last."""

    top: int
    bottom: int
    left: int
    right: int


def fit(size: tuple[int, int], multiple: int, minimum: int = MINIMUM) -> Padding:
    """Returns the padding that brings (height, width) to the next multiple, at least `minimum`."""
    target = [max(-(-length // multiple) * multiple, minimum) for length in size]
    target = [-(-length // multiple) * multiple for length in target]
    vertical, horizontal = target[0] - size[0], target[1] - size[1]
    return Padding(
        vertical // 2, vertical - vertical // 2, horizontal // 2, horizontal - horizontal // 2
    )


def pad(frames: np.ndarray, padding: Padding) -> np.ndarray:
    """Returns frames (..., h, w, c) with their border pixels repeated outwards."""
    around = [(0, 0)] * (frames.ndim - 3) + [tuple(padding[:2]), tuple(padding[2:]), (0, 0)]
    return np.pad(frames, around, mode="edge") if any(padding) else frames


def crop(arrays: np.ndarray, padding: Padding) -> np.ndarray:
    """Returns (..., h, w, c) without the padding."""
    height, width = arrays.shape[-3:-1]
    top, bottom, left, right = padding
    return arrays[..., top : height - bottom, left : width - right, :]
