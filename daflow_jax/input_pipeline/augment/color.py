"""Brightness, contrast, saturation and hue of 8-bit frames, with the rounding of PIL.

RAFT trains with torchvision's ColorJitter, which calls PIL: sums are cut, not rounded.
"""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np

_LEVELS = np.arange(256, dtype=np.uint8)


@dataclasses.dataclass(frozen=True)
class Colors:
    """Bounds of the changes: factors in 1 - b .. 1 + b, hue in -b .. b turns (RAFT, augmentor)."""

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.5 / 3.14
    uneven_share: float = 0.2  # of clips whose frames are changed one by one


class Jitter(NamedTuple):
    """`order` of the four changes and, in the order of `CHANGES`, their `factors`."""

    order: tuple[int, ...]
    factors: tuple[float, ...]


def draw(config: Colors, frames: int, rng: np.random.Generator) -> tuple[Jitter, ...]:
    """Returns one change per frame, or a single one for all of them together."""
    count = frames if rng.random() < config.uneven_share else 1
    return tuple(_draw(config, rng) for _ in range(count))


def _draw(config: Colors, rng: np.random.Generator) -> Jitter:
    order = tuple(int(i) for i in rng.permutation(len(CHANGES)))
    bounds = (config.brightness, config.contrast, config.saturation)
    factors = [rng.uniform(max(0.0, 1 - bound), 1 + bound) for bound in bounds]
    return Jitter(order, (*factors, rng.uniform(-config.hue, config.hue)))


def apply(jitters: tuple[Jitter, ...], frames: np.ndarray) -> np.ndarray:
    """Returns uint8 (f, h, w, 3); a single change sees all frames as one picture."""
    if not jitters:
        return frames
    if len(jitters) == 1:
        joint = frames.reshape(1, -1, frames.shape[2], 3)
        return _apply(jitters[0], joint[0]).reshape(frames.shape)
    return np.stack([_apply(jitter, x) for jitter, x in zip(jitters, frames, strict=True)])


def _apply(jitter: Jitter, image: np.ndarray) -> np.ndarray:
    for change in jitter.order:
        image = CHANGES[change](image, jitter.factors[change])
    return image


def brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Returns uint8 (h, w, 3) times the factor."""
    return cv2.LUT(image, _blend(np.float32(0), _LEVELS, factor))


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Returns uint8 (h, w, 3), its distance from the mean grey times the factor."""
    mean = int(_grey(image).mean(dtype=np.float64) + 0.5)
    return cv2.LUT(image, _blend(np.float32(mean), _LEVELS, factor))


def saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Returns uint8 (h, w, 3), its distance from each pixel's grey times the factor."""
    return _blend(_grey(image)[..., None].astype(np.float32), image, factor)


def hue(image: np.ndarray, factor: float) -> np.ndarray:
    """Returns uint8 (h, w, 3), its hue turned by `factor` turns, in 255 steps as PIL's."""
    hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV)  # degrees, share, 0..255
    edge = np.float32(1e-3)  # float32 quotients end just below the whole number they should be
    steps = (hsv[..., 0] * np.float32(255 / 360) + edge).astype(np.int32)
    steps = (steps + int(factor * 255)) % 256
    hsv[..., 0] = steps.astype(np.float32) * np.float32(360 / 255)
    hsv[..., 1] = np.trunc(hsv[..., 1] * 255 + edge) / 255
    rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return np.clip(rgb + np.float32(0.5), 0, 255).astype(np.uint8)


CHANGES = (brightness, contrast, saturation, hue)


def _grey(image: np.ndarray) -> np.ndarray:
    """Returns PIL's luma, uint8 (h, w): a fixed-point sum of ITU-R 601-2."""
    weights = np.array([[19595, 38470, 7471]], np.float32)  # sums below 2^24: exact in float32
    total = cv2.transform(image.astype(np.float32), weights) + np.float32(0x8000)
    return (total * np.float32(2**-16)).astype(np.uint8)


def _blend(start: np.ndarray | np.float32, image: np.ndarray, factor: float) -> np.ndarray:
    pixels = image.astype(np.float32)
    mixed = start + np.float32(factor) * (pixels - start)
    return np.clip(mixed, 0, 255, out=mixed).astype(np.uint8)
