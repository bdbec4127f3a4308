"""The camera's part of a flow: the motion of a plane, fitted so that objects do not pull at it."""

import numpy as np

_POINTS = 6000  # [choice] pixels that the fit looks at, on a grid
_FINEST = 0.1  # [choice] px: residuals far above this do not count at the end
_STEPS = 40


def fit(flow: np.ndarray) -> np.ndarray:
    """Returns the dominant motion of a flow as a flow, float32 (h, w, 2), both in pixels.

    The model has eight parameters: the flow of a plane before a moving camera (Bergen et al., ECCV
    1992), which holds pan, zoom, rotation and small changes of perspective. The fit is least
    squares under weights that fall with the residual (Geman and McClure), and the residual that
    still counts shrinks step by step (Black and Anandan, CVIU 1996).
    """
    height, width = flow.shape[:2]
    step = max(1, int((height * width / _POINTS) ** 0.5))
    basis = _basis(height, width)
    rows = basis[::step, ::step].reshape(-1, 6)
    target = flow[::step, ::step].reshape(-1, 2).astype(np.float64)
    if len(rows) < 8:
        return np.broadcast_to(np.median(target, axis=0), flow.shape).astype(np.float32)
    parameters = _solve(rows, target, np.ones(len(rows)))
    width_of = max(4 * np.median(_residual(rows, target, parameters)), _FINEST)
    for _ in range(_STEPS):
        squares = (_residual(rows, target, parameters) / width_of) ** 2
        parameters = _solve(rows, target, 1 / (1 + squares) ** 2)
        width_of = max(0.8 * width_of, _FINEST)
    return _motion(basis, parameters).astype(np.float32)


def _basis(height: int, width: int) -> np.ndarray:
    """Returns (h, w, 6): 1, x, y, xx, xy, yy of every pixel, from the middle on, in half sides."""
    half = max(height, width) / 2
    y, x = np.mgrid[:height, :width]
    x, y = (x - (width - 1) / 2) / half, (y - (height - 1) / 2) / half
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _design(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the columns (n, 8) that make u and v of the parameters."""
    one, x, y, xx, xy, yy = rows.T
    zero = np.zeros_like(one)
    u = np.stack([one, x, y, zero, zero, zero, xx, xy], axis=1)
    v = np.stack([zero, zero, zero, one, x, y, xy, yy], axis=1)
    return u, v


def _solve(rows: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    u, v = _design(rows)
    normal = (u * weights[:, None]).T @ u + (v * weights[:, None]).T @ v
    right = u.T @ (weights * target[:, 0]) + v.T @ (weights * target[:, 1])
    return np.linalg.lstsq(normal, right, rcond=None)[0]


def _residual(rows: np.ndarray, target: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    u, v = _design(rows)
    return np.hypot(u @ parameters - target[:, 0], v @ parameters - target[:, 1])


def _motion(basis: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    u, v = _design(basis.reshape(-1, 6))
    return np.stack([u @ parameters, v @ parameters], -1).reshape(*basis.shape[:2], 2)
