"""Flow without learning, to measure against: zero, and OpenCV's DIS and Farneback."""

from collections.abc import Callable

import numpy as np

from daflow_jax import errors


def zero(frames: np.ndarray) -> np.ndarray:
    """Returns no motion, float32 (h, w, 2): what every method must beat."""
    return np.zeros((*frames.shape[1:3], 2), np.float32)


def dis(frames: np.ndarray) -> np.ndarray:
    """Returns dense inverse search flow (Kroeger et al. 2016), preset medium, float32 (h, w, 2).

    Args:
        frames: uint8 RGB (2, h, w, 3); turned grey. Below 64 px they are padded by their border.
    """
    import cv2

    first, second = _grey(frames)
    height, width = first.shape
    grown = ((0, max(0, 64 - height)), (0, max(0, 64 - width)))  # it fails on tiny frames
    first, second = np.pad(first, grown, "edge"), np.pad(second, grown, "edge")
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = method.calc(first, second, None)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return flow[:height, :width]


def farneback(frames: np.ndarray) -> np.ndarray:
    """Returns polynomial expansion flow (Farneback 2003), float32 (h, w, 2).

    Five levels of scale 0.5, window 15, 3 iterations, polynomials over 5 px with sigma 1.2.

    Args:
        frames: uint8 RGB (2, h, w, 3); turned grey.
    """
    import cv2

    first, second = _grey(frames)
    start = zero(frames)  # not used: no flag asks for it
    return cv2.calcOpticalFlowFarneback(first, second, start, 0.5, 5, 15, 3, 5, 1.2, 0)


def _grey(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import cv2

    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[0] != 2:
        got = f"{frames.dtype} {frames.shape}"
        raise ValueError(f"frames are {got}; a baseline takes uint8 (2, h, w, 3); convert them")
    first, second = (cv2.cvtColor(np.ascontiguousarray(f), cv2.COLOR_RGB2GRAY) for f in frames)
    return first, second


BASELINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "zero": zero,
    "dis": dis,
    "farneback": farneback,
}


def get(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the baseline of a name: uint8 frames (2, h, w, 3) to float32 flow (h, w, 2)."""
    if name not in BASELINES:
        remedy = errors.nearest(name, BASELINES)
        raise errors.UserError(f"baseline {name}", "is unknown", remedy)
    return BASELINES[name]
