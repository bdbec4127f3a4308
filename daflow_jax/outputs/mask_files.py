"""Masks of a clip in files: a picture a frame, an overlay video, shares."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import viz
from daflow_jax.io import atomic, image, numpy_files, video
from daflow_jax.outputs.frame_files import FrameFiles
from daflow_jax.outputs.targets import Existing, is_wanted


class Made(NamedTuple):
    """frames: how many. shares: of all pixels, by mask. files: what was written."""

    frames: int
    shares: tuple[float, ...]
    files: tuple[Path, ...]


def by_area(segmenter: Any, frames: Iterable[np.ndarray]) -> np.ndarray:
    """Returns the new number of each mask: 0 for the one with most pixels of the frames."""
    area = np.zeros(segmenter.config.masks)
    for frame in frames:
        labels = segmenter(frame[None]).argmax(-1)
        area += np.bincount(labels.reshape(-1), minlength=len(area))
    numbers = np.empty(len(area), np.uint8)
    numbers[np.argsort(-area, kind="stable")] = np.arange(len(area))
    return numbers


def write(
    frames: Iterable[video.Frame],
    segmenter: Any,
    numbers: np.ndarray,
    place: Path,
    names: list[str] | None,
    formats: tuple[str, ...],
    existing: Existing,
    fps: float | int | Fraction | None,
) -> Made:
    """Returns what was made of the frames of a clip, one in memory at a time.

    Args:
        numbers: of the masks, as `by_area` gives them. place: the folder of pictures; the overlay
            goes beside it. names: of the pictures, None = six digits.
    """
    film = FrameFiles(place.parent / f"{place.name}_overlay.mp4", fps or 25, None, existing)
    files: list[Path] = []
    area, count = np.zeros(len(numbers)), 0
    wanted = "overlay" in formats and is_wanted(
        place.parent / f"{place.name}_overlay.mp4", existing
    )
    with film:
        for frame in frames:
            stem = names[frame.stamp.number] if names is not None else f"{frame.stamp.number:06d}"
            shares = segmenter(frame.pixels[None])[0][..., np.argsort(numbers)]
            labels = shares.argmax(-1).astype(np.uint8)
            area += np.bincount(labels.reshape(-1), minlength=len(area))
            files += _pictures(place, stem, labels, shares, formats, existing)
            if wanted:
                film.write(viz.labels_overlay(frame.pixels, labels), frame.stamp)
            count += 1
    files += film.written if wanted else []
    return Made(count, tuple((area / area.sum()).tolist()), tuple(files))


def _pictures(place, stem, labels, shares, formats, existing) -> list[Path]:
    made = []
    if "masks" in formats and is_wanted(path := place / f"{stem}.png", existing):
        image.write_image(path, labels)
        made.append(path)
    if "shares" in formats and is_wanted(path := place / f"{stem}_shares.npy", existing):
        atomic.write_bytes(path, numpy_files.encode_npy(shares.astype(np.float16)))
        made.append(path)
    return made
