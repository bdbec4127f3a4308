"""A frame beside what was made of it."""

import cv2
import numpy as np

_RULE = 4  # [choice] columns of white between the two


def side_by_side(frame: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Returns uint8 (s h, 2 s w + 4, 3): the frame enlarged (bicubic) at the left, the result at
    the right.

    Args:
        frame: (h, w, 3), (h, w, 1) or with alpha; uint8, uint16 or float in [0, 1]. result: uint8
            (s h, s w, 3).
    """
    shown = _eight_bits(frame)[..., :3]
    if shown.shape[-1] == 1:
        shown = np.repeat(shown, 3, axis=-1)
    height, width = result.shape[:2]
    if shown.shape[:2] != (height, width):
        shown = cv2.resize(shown, (width, height), interpolation=cv2.INTER_CUBIC)
    rule = np.full((height, _RULE, 3), 255, np.uint8)
    return np.concatenate([shown, rule, result], axis=1)


def _eight_bits(frame):
    if frame.dtype == np.uint8:
        return frame
    largest = 65535 if frame.dtype == np.uint16 else 1
    return np.rint(frame * (255 / largest)).astype(np.uint8)
