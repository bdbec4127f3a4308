"""Scores of point tracks as TAP-Vid defines them (Doersch et al., NeurIPS 2022, Datasets).

Positions are scaled to frames of 256 x 256 pixels before they are compared.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

THRESHOLDS = (1, 2, 4, 8, 16)  # pixels of 256
SIZE = 256
MODES = ("first", "strided")


class TapVid(NamedTuple):
    """Shares in [0, 1], NaN where nothing can be counted.

    average_jaccard (AJ): mean over thresholds of hits / (visible points + false positives). within
    (delta): mean over thresholds of visible points that are near enough. occlusion_accuracy (OA):
    points whose visibility is right. jaccard, near: of each threshold.
    """

    average_jaccard: float
    within: float
    occlusion_accuracy: float
    jaccard: tuple[float, ...]
    near: tuple[float, ...]


def scores(
    predicted: Float[np.ndarray, "n t 2"],
    visible: Bool[np.ndarray, "n t"],
    true: Float[np.ndarray, "n t 2"],
    true_visible: Bool[np.ndarray, "n t"],
    query: Int[np.ndarray, " n"],
    size: tuple[int, int],
    mode: str = "first",
) -> TapVid:
    """Returns the scores of the tracks of one clip.

    Args:
        predicted, true: (x, y) in pixels of frames of `size` = (height, width).
        query: the frame in which each point was given; it never counts.
        mode: "first": frames after the query count; "strided": all others.
    """
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; use one of {', '.join(MODES)}")
    scale = np.array((SIZE / size[1], SIZE / size[0]))
    distance = np.sum(((predicted - true) * scale) ** 2, -1)
    number = np.arange(true.shape[1])
    counts = number > query[:, None] if mode == "first" else number != query[:, None]
    jaccard, near = [], []
    for threshold in THRESHOLDS:
        right = (distance < threshold**2) & true_visible
        hits = np.sum(right & visible & counts)
        wrong = (~true_visible | (distance >= threshold**2)) & visible
        there = np.sum(true_visible & counts)
        near.append(_ratio(np.sum(right & counts), there))
        jaccard.append(_ratio(hits, there + np.sum(wrong & counts)))
    same = np.sum((visible == true_visible) & counts)
    return TapVid(
        float(np.mean(jaccard)),
        float(np.mean(near)),
        _ratio(same, np.sum(counts)),
        tuple(jaccard),
        tuple(near),
    )


def _ratio(part: np.integer, whole: np.integer) -> float:
    return float(part) / float(whole) if whole else float("nan")
