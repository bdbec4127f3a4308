"""What two neighbours are to each other: the same picture, one motion, or two scenes."""

from typing import Literal

import numpy as np

from daflow_jax.metrics import thumbnail_ssim

# Similarity of 32 x 32 thumbnails, as in RIFE's inference_video.py and CogVideo's demo.
STATIC, CUT = 0.996, 0.2
Relation = Literal["static", "moving", "cut"]
GATES = ("cuts", "ssim", "off")  # what a person may choose; "off" is no gate


class Gate:
    """Judges neighbours; remembers the thumbnail of the last frame, which comes again.

    Args:
        published: very similar frames are static, as in the scripts; else those that are equal.
            Slow motion is very similar too, and there a network's frames are better than copies.
        padded: (height, width) of the frames with the network's padding, which the scripts see too:
            much of it hides cuts. None: the frames alone.
    """

    def __init__(self, published: bool, padded: tuple[int, int] | None = None):
        self._padded, self._published = padded, published
        self._last: tuple[np.ndarray, np.ndarray] | None = None  # frame, thumbnail

    def __call__(self, first: np.ndarray, second: np.ndarray) -> Relation:
        """Returns what two frames (h, w, 3) are to each other."""
        if self._published:
            return judge(self.similarity(first, second))
        if np.array_equal(first, second):
            return "static"
        return "cut" if self.similarity(first, second) < CUT else "moving"

    def similarity(self, first: np.ndarray, second: np.ndarray) -> float:
        """Returns how alike two frames are, 1 = equal."""
        thumbnails = self._thumbnail(first), self._thumbnail(second)
        return thumbnail_ssim.similarity(*thumbnails)

    def _thumbnail(self, frame: np.ndarray) -> np.ndarray:
        if self._last is None or self._last[0] is not frame:
            self._last = frame, thumbnail_ssim.thumbnail(frame, self._padded)
        return self._last[1]


def judge(similarity: float) -> Relation:
    """Returns what neighbours of a similarity are to each other in the scripts."""
    return "static" if similarity > STATIC else "cut" if similarity < CUT else "moving"
