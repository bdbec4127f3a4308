"""What an estimation returns."""

from typing import NamedTuple

import numpy as np


class Result(NamedTuple):
    """Flow of n pairs at the size of the frames, float32 pixels; None where not asked for.

    flow: (n, h, w, 2), frame k to k+1. backward: (n, h, w, 2), frame k+1 to k on its own grid.
    occlusion: (n, h, w) bool, True = hidden in frame k+1. confidence: (n, h, w) float32 0..1.
    iterations: (m, n, h, w, 2), the flow after each refinement step.
    uncertainty: (n, h, w) float32, of networks that predict it: the expected log of the error's
        scale in pixels, 0 where the network is sure (at the size that it saw).
    """

    flow: np.ndarray
    backward: np.ndarray | None = None
    occlusion: np.ndarray | None = None
    confidence: np.ndarray | None = None
    iterations: np.ndarray | None = None
    uncertainty: np.ndarray | None = None

    def pair(self, index: int) -> "Result":
        """Returns a copy of the result of one pair, without the pair axis."""
        first = Result._make(None if x is None else np.array(x[index]) for x in self)
        if self.iterations is None:
            return first
        return first._replace(iterations=np.array(self.iterations[:, index]))
