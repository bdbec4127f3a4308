"""Resizing of frames, flow and masks by given factors.

OpenCV's linear form with given factors samples at (d + 0.5) / f - 0.5, not at the ratio of sizes.
"""

import cv2
import numpy as np

_WHOLE = 1 - 1e-4  # a linear sum of ones, but for rounding


def new_shape(shape: tuple[int, int], fx: float, fy: float) -> tuple[int, int]:
    """Returns (h, w) after resizing."""
    return int(np.rint(shape[0] * fy)), int(np.rint(shape[1] * fx))


def linear(array: np.ndarray, fx: float, fy: float) -> np.ndarray:
    """Returns (h, w, ...) interpolated, edges repeated, no antialiasing; dtype kept."""
    return cv2.resize(array, None, fx=fx, fy=fy, interpolation=cv2.INTER_LINEAR)


def nearest(labels: np.ndarray, fx: float, fy: float) -> np.ndarray:
    """Returns labels or a mask (h, w) of the nearest pixel."""
    y, x = (
        np.clip(np.floor((np.arange(count) + 0.5) / f), 0, old - 1).astype(int)
        for count, f, old in zip(
            new_shape(labels.shape, fx, fy), (fy, fx), labels.shape, strict=True
        )
    )
    return labels[y[:, None], x]


def flow(
    array: np.ndarray, valid: np.ndarray, fx: float, fy: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns dense flow (h, w, 2) in pixels of the new size, and bool (h, w).

    Valid is what was interpolated from valid flow alone.
    """
    factor = np.array([fx, fy], np.float32)
    resized = linear(array, fx, fy) * factor
    return resized, linear(valid.astype(np.float32), fx, fy) > _WHOLE


def scatter(
    array: np.ndarray, valid: np.ndarray, occlusion: np.ndarray, fx: float, fy: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns flow (h, w, 2), valid and occlusion (h, w) with valid pixels moved, none made up.

    Of pixels that meet, the last in reading order stays; row and column 0 stay empty (RAFT,
    augmentor).
    """
    shape = new_shape(valid.shape, fx, fy)
    y, x = np.nonzero(valid)
    to_y, to_x = np.rint(y * fy).astype(int), np.rint(x * fx).astype(int)
    inside = (to_y > 0) & (to_y < shape[0]) & (to_x > 0) & (to_x < shape[1])
    y, x, to_y, to_x = y[inside], x[inside], to_y[inside], to_x[inside]
    moved = np.zeros((*shape, 2), np.float32)
    moved[to_y, to_x] = array[y, x] * np.array([fx, fy])
    masks = np.zeros((2, *shape), bool)
    masks[0, to_y, to_x] = True
    masks[1, to_y, to_x] = occlusion[y, x]
    return moved, masks[0], masks[1]
