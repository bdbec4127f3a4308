"""How degraded a picture is, without the original: three simple published measures."""

import cv2
import numpy as np

SIDE = 512  # [choice] px: of the middle of a frame that is looked at, at its own size
_LEAST = 32  # px: smaller pictures say too little
_BLOCK = 8
_FLAT = 0.01  # grey values: two measures of a flat picture are alike


def middle(frame: np.ndarray) -> np.ndarray | None:
    """Returns the grey middle of an RGB frame, uint8 (h, w), cut between blocks of 8 px; None of a
    frame that is too small."""
    height, width = frame.shape[:2]
    if min(height, width) < _LEAST:
        return None
    top, left = (max(0, (n - SIDE) // 2) // _BLOCK * _BLOCK for n in (height, width))
    part = np.ascontiguousarray(frame[top : top + SIDE, left : left + SIDE])
    return cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)


def blockiness(grey: np.ndarray) -> float:
    """Returns the differences across the borders of 8 x 8 blocks over those inside of them.

    The two activities of Wang, Sheikh and Bovik (ICIP 2002) as a ratio; 1 = no blocks.
    """
    borders, inside = 0.0, 0.0
    for picture in (grey, grey.T):
        steps = np.abs(np.diff(picture.astype(np.int16), axis=1))
        at_border = np.arange(steps.shape[1]) % _BLOCK == _BLOCK - 1
        borders += float(steps[:, at_border].mean())
        inside += float(steps[:, ~at_border].mean())
    return (borders + _FLAT) / (inside + _FLAT)


def noise(grey: np.ndarray) -> float:
    """Returns the standard deviation of white noise in grey values of 255 (Immerkaer, CVIU 1996).

    Fine texture counts as noise.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    found = cv2.filter2D(grey.astype(np.float32), -1, kernel)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(found).mean())


def blur(grey: np.ndarray) -> float:
    """Returns how little a further blur changes: 0 = sharp, 1 = blurred (Crete et al., SPIE 2007).

    A flat picture is blurred.
    """
    picture = grey.astype(np.float32)
    found = []
    for axis, size in ((1, (9, 1)), (0, (1, 9))):
        steps = np.abs(np.diff(picture, axis=axis))
        after = np.abs(np.diff(cv2.blur(picture, size), axis=axis))
        total = float(steps.sum(dtype=np.float64))
        lost = float(np.maximum(0, steps - after).sum(dtype=np.float64))
        found.append((total - lost) / total if total else 1.0)
    return max(found)


def measure(pictures: list[np.ndarray]) -> dict[str, float | None]:
    """Returns the means over grey pictures by name; None without pictures."""
    measures = {"blockiness": blockiness, "noise": noise, "blur": blur}
    if not pictures:
        return dict.fromkeys(measures)
    return {name: float(np.mean([f(p) for p in pictures])) for name, f in measures.items()}
