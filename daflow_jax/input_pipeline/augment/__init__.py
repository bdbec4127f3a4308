"""RAFT's training augmentation of a clip: colours, erased boxes, then resize, flips and crop.

What is drawn is data (`Augmentation`): it can be logged and applied again to the same arrays. All
frames and flows of a clip share one spatial transform; a clip of two frames gets exactly what the
published code gives a pair.
"""

import dataclasses

import numpy as np

from daflow_jax.input_pipeline.augment import color, eraser, spatial


@dataclasses.dataclass(frozen=True)
class Dense:
    """For flow known everywhere (RAFT's FlowAugmentor); `draw` makes an `Augmentation`."""

    colors: color.Colors = color.Colors()
    boxes: eraser.Boxes = eraser.Boxes()
    geometry: spatial.Dense = spatial.Dense()


@dataclasses.dataclass(frozen=True)
class Sparse:
    """For flow known at scattered pixels (RAFT's SparseFlowAugmentor): nothing is interpolated."""

    colors: color.Colors = color.Colors(0.3, 0.3, 0.3, 0.3 / 3.14, uneven_share=0.0)
    boxes: eraser.Boxes = eraser.Boxes()
    geometry: spatial.Sparse = spatial.Sparse()


@dataclasses.dataclass(frozen=True)
class CropOnly:
    """Takes a window of the clip at random and changes nothing else."""


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is done to one clip: `colors` one entry a frame, or one for all; () = none."""

    colors: tuple[color.Jitter, ...]
    boxes: tuple[eraser.Box, ...]
    spatial: spatial.Spatial


def draw(
    settings: Dense | Sparse | CropOnly,
    shape: tuple[int, int, int],
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Augmentation:
    """Returns an augmentation for a clip of `shape` (f, h, w) that makes it `size` (h, w)."""
    padded = (max(shape[1], size[0]), max(shape[2], size[1]))
    if isinstance(settings, CropOnly):
        return Augmentation((), (), spatial.draw_crop(padded, size, rng))
    colors = color.draw(settings.colors, shape[0], rng)
    boxes = eraser.draw(settings.boxes, shape[1:], rng)
    drawers = {spatial.Dense: spatial.draw_dense, spatial.Sparse: spatial.draw_sparse}
    drawer = drawers[type(settings.geometry)]
    return Augmentation(colors, boxes, drawer(settings.geometry, padded, size, rng))


def apply(augmentation: Augmentation, clip: dict) -> dict:
    """Returns the clip with lq and hq uint8 (f, h, w, 3) and all other arrays augmented.

    Boxes are erased in the last frame alone (a pair's second image): it starts no forward flow. The
    backward flow that starts in a box is not valid.
    """
    out = dict(clip)
    for key in ("lq", "hq"):
        if key in out:
            frames = color.apply(augmentation.colors, out[key])
            last = eraser.apply(augmentation.boxes, frames[-1])
            out[key] = np.concatenate([frames[:-1], last[None]])
    if "valid_back" in out and augmentation.boxes:
        valid = out["valid_back"].copy()
        for box in augmentation.boxes:
            valid[-1][box.rows, box.columns] = False
        out["valid_back"] = valid
    return spatial.apply(augmentation.spatial, out)
