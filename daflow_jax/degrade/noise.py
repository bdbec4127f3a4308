"""Sensor noise on float32 images in 0..255 (NumPy); nothing is clipped or rounded here."""

import functools

import cv2
import numpy as np
from scipy import special

from daflow_jax.degrade import tone

_LUMA = np.array([0.2989, 0.587, 0.114], np.float32)  # Rec. 601, as in the published pipelines


def gaussian(
    image: np.ndarray,
    sigma: float | int,
    gray: bool,
    rng: np.random.Generator,
    table: bool = False,
) -> np.ndarray:
    """Returns the image plus normal noise of deviation sigma (of 255), one field if gray.

    `table` reads the normals from 65,536 quantiles: nothing beyond 4.3 sigma, four times as fast.
    """
    shape = image.shape[:2] + (1,) if gray else image.shape
    if table:
        normal = np.broadcast_to(_quantiles().take(_words(rng, shape), mode="clip"), image.shape)
        return cv2.scaleAdd(normal, float(sigma), image)
    return image + np.float32(sigma) * rng.standard_normal(shape, np.float32)


def poisson(
    image: np.ndarray,
    scale: float | int,
    gray: bool,
    rng: np.random.Generator,
    table: bool = False,
) -> np.ndarray:
    """Returns the image plus shot noise times `scale` (Real-ESRGAN's Poisson noise).

    The number of grey levels present, rounded up to a power of two, plays the photon count.
    `table` reads the counts from 1024 quantiles for each grey level: ten times as fast.
    """
    if table:
        return _poisson_table(image, scale, gray, rng)
    clean = np.round(np.clip(image, 0, 255)) / np.float32(255)
    if gray:
        clean = np.round((clean @ _LUMA)[..., None] * 255) / np.float32(255)
    peak = levels(clean)
    drawn = rng.poisson(clean * peak)
    return image + shot(clean, drawn, peak) * np.float32(scale * 255)


def _poisson_table(
    image: np.ndarray, scale: float | int, gray: bool, rng: np.random.Generator
) -> np.ndarray:
    bright = tone.to_uint8(image)
    if gray:
        bright = cv2.convertScaleAbs(cv2.transform(bright.astype(np.float32), _LUMA[None]))
        bright = bright[..., None]
    seen = cv2.calcHist([bright.reshape(len(bright), -1)], [0], None, [256], [0, 256])
    place = np.left_shift(bright, 10, dtype=np.intp)
    place += _words(rng, bright.shape) >> 6
    drawn = _deviations(int(2 ** np.ceil(np.log2(np.count_nonzero(seen))))).take(place, mode="clip")
    return cv2.scaleAdd(np.broadcast_to(drawn, image.shape), float(scale), image)


def impulse(image: np.ndarray, share: float | int, rng: np.random.Generator) -> np.ndarray:
    """Returns the image with a share of its values set to 0 or 255, evenly."""
    drawn = rng.random(image.shape, np.float32)
    salted = np.where(drawn < share / 2, np.float32(255), image)
    return np.where(drawn > 1 - share / 2, np.float32(0), salted)


def speckle(image: np.ndarray, sigma: float | int, rng: np.random.Generator) -> np.ndarray:
    """Returns the image times 1 + normal noise of deviation sigma."""
    return image * (1 + np.float32(sigma) * rng.standard_normal(image.shape, np.float32))


def _words(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Returns uniform 16-bit numbers, from a faster generator that `rng` seeds."""
    fast = np.random.Generator(np.random.SFC64(int(rng.integers(2**63))))
    return np.frombuffer(fast.bytes(2 * int(np.prod(shape))), np.dtype("<u2")).reshape(shape)


@functools.cache
def _quantiles() -> np.ndarray:
    """Returns the middles of 65,536 equal shares of the normal distribution, variance 1."""
    table = special.ndtri((np.arange(65536) + 0.5) / 65536)
    return (table / table.std()).astype(np.float32)


@functools.cache
def _deviations(peak: int) -> np.ndarray:
    """Returns 1024 quantiles of (count / peak * 255 - level) of each of the 256 levels, flat."""
    want = (np.arange(1024) + 0.5) / 1024
    reach = np.arange(peak + 8 * int(peak**0.5) + 8)
    rows = [
        np.searchsorted(special.pdtr(reach, level * peak / 255), want) * (255 / peak) - level
        for level in range(256)
    ]
    return np.concatenate(rows).astype(np.float32)


def levels(clean: np.ndarray) -> float:
    """Returns 2^ceil(log2(number of distinct values)) of an image in [0, 1]."""
    present = np.zeros(256, bool)
    present[np.round(clean * 255).astype(np.uint8).ravel()] = True
    return float(2 ** np.ceil(np.log2(max(int(present.sum()), 1))))


def shot(clean: np.ndarray, drawn: np.ndarray, peak: float | int) -> np.ndarray:
    """Returns the deviation drawn / peak - clean, float32, in [0, 1] units."""
    return (drawn / peak - clean).astype(np.float32)


def photons(image: np.ndarray, full_well: float | int, rng: np.random.Generator) -> np.ndarray:
    """Returns the image as counted by a sensor that holds `full_well` photons at 255."""
    mean = np.clip(image, 0, 255) * np.float32(full_well / 255)
    return rng.poisson(mean).astype(np.float32) * np.float32(255 / full_well)
