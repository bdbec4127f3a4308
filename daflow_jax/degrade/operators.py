"""The operators by name, as a recipe calls them."""

from collections.abc import Callable

import numpy as np

from daflow_jax.degrade import blur, codec, jpeg, noise, resize


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Returns the picture rounded and clipped to bytes."""
    return np.round(np.clip(image, 0, 255)).astype(np.uint8)


def _blur(images, size, rngs, sigma_x, sigma_y, theta=0.0):
    return [blur.blur(image, sigma_x, sigma_y, theta) for image in images]


def _motion(images, size, rngs, length, theta):
    kernel = blur.motion(length, theta)
    return [blur.apply(image, kernel) for image in images]


def _gaussian(images, size, rngs, sigma, gray=False):
    return [
        noise.gaussian(image, sigma, gray, rng) for image, rng in zip(images, rngs, strict=True)
    ]


def _poisson(images, size, rngs, scale, gray=False):
    return [noise.poisson(image, scale, gray, rng) for image, rng in zip(images, rngs, strict=True)]


def _down(images, size, rngs, factor, mode):
    height, width = (resize.scaled_size(length, factor) for length in images[0].shape[:2])
    return [resize.to_size(image, height, width, mode) for image in images]


def _back(images, size, rngs, mode):
    height, width = size
    return [resize.to_size(image, height, width, mode) for image in images]


def _jpeg(images, size, rngs, quality):
    return [jpeg.jpeg(to_uint8(image), quality).astype(np.float32) for image in images]


def _codec(images, size, rngs, name, kbit_per_frame=0.0, crf=0):
    frames = np.stack([to_uint8(image) for image in images])
    return list(codec.codec(frames, name, kbit_per_frame, crf).astype(np.float32))


def _lowlight(images, size, rngs, light, full_well, gain):
    """Dims to a share of the light, counts photons, amplifies by a share of what was lost."""
    lift = np.float32((1 / light) ** gain)
    return [
        np.clip(noise.photons(image * np.float32(light), full_well, rng) * lift, 0, 255)
        for image, rng in zip(images, rngs, strict=True)
    ]


# name -> function(images float32 0..255, size of the clip, one Generator a frame, **parameters)
OPERATORS: dict[str, Callable[..., list[np.ndarray]]] = {
    "blur": _blur,
    "motion_blur": _motion,
    "gaussian_noise": _gaussian,
    "poisson_noise": _poisson,
    "down": _down,
    "back": _back,
    "jpeg": _jpeg,
    "codec": _codec,
    "lowlight": _lowlight,
}
