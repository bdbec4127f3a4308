"""What two neighbours are to each other: the same picture, one motion, or two scenes."""

from typing import Literal

import numpy as np

from daflow_jax.metrics import thumbnail_ssim

# Similarity of 32 x 32 thumbnails, as in RIFE's inference_video.py and CogVideo's demo.
STATIC, CUT = 0.996, 0.2
Relation = Literal["static", "moving", "cut"]


class Gate:
    """Judges neighbours; remembers the thumbnail of the last frame, which comes again.

    Args:
        padded: (height, width) of the frames with the network's padding, which is seen too.
    """

    def __init__(self, padded: tuple[int, int]):
        self._padded = padded
        self._last: tuple[np.ndarray, np.ndarray] | None = None  # frame, thumbnail

    def __call__(self, first: np.ndarray, second: np.ndarray) -> Relation:
        """Returns what two frames (h, w, 3) are to each other."""
        return judge(self.similarity(first, second))

    def similarity(self, first: np.ndarray, second: np.ndarray) -> float:
        """Returns how alike two frames are, 1 = equal."""
        thumbnails = self._thumbnail(first), self._thumbnail(second)
        return thumbnail_ssim.similarity(*thumbnails)

    def _thumbnail(self, frame: np.ndarray) -> np.ndarray:
        if self._last is None or self._last[0] is not frame:
            self._last = frame, thumbnail_ssim.thumbnail(frame, self._padded)
        return self._last[1]


def judge(similarity: float) -> Relation:
    """Returns what neighbours of a similarity are to each other."""
    return "static" if similarity > STATIC else "cut" if similarity < CUT else "moving"
