"""The flow that the next pair starts from: the last one, carried along itself."""

import numpy as np


def forward_interpolate(flow: np.ndarray) -> np.ndarray:
    """Returns `flow` (h, w, 2) moved to where it points, float32 (RAFT, sec. 3.3, warm start).

    Each pixel takes the vector that lands nearest; vectors that leave the frame are dropped. Zero
    if none stays.
    """
    from scipy import spatial

    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    vectors = np.asarray(flow, np.float32).reshape(-1, 2)
    landed = np.stack([x, y], -1).reshape(-1, 2) + vectors
    stays = ((landed > 0) & (landed < (width, height))).all(-1)
    if not stays.any():
        return np.zeros((height, width, 2), np.float32)
    tree = spatial.KDTree(landed[stays])
    _, nearest = tree.query(np.stack([x, y], -1).reshape(-1, 2))
    return vectors[stays][nearest].reshape(height, width, 2)
