"""Sensor noise on float32 images in 0..255 (NumPy); nothing is clipped or rounded here."""

import numpy as np

_LUMA = np.array([0.2989, 0.587, 0.114], np.float32)  # Rec. 601, as in the published pipelines


def gaussian(
    image: np.ndarray, sigma: float | int, gray: bool, rng: np.random.Generator
) -> np.ndarray:
    """Returns the image plus normal noise of deviation sigma (of 255), one field if gray."""
    shape = image.shape[:2] + (1,) if gray else image.shape
    return image + np.float32(sigma) * rng.standard_normal(shape, np.float32)


def poisson(
    image: np.ndarray, scale: float | int, gray: bool, rng: np.random.Generator
) -> np.ndarray:
    """Returns the image plus shot noise times `scale` (Real-ESRGAN's Poisson noise).

    The number of grey levels present, rounded up to a power of two, plays the photon count.
    """
    clean = np.round(np.clip(image, 0, 255)) / np.float32(255)
    if gray:
        clean = np.round((clean @ _LUMA)[..., None] * 255) / np.float32(255)
    peak = levels(clean)
    drawn = rng.poisson(clean * peak)
    return image + shot(clean, drawn, peak) * np.float32(scale * 255)


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
