"""What moves light to other pixels: zoom, frosted glass, waves, drops, motion (NumPy, OpenCV)."""

import cv2
import numpy as np


def _read(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the image at float32 places, bilinear, mirrored at the border."""
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _grid(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = image.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x, y


def zoom(image: np.ndarray, share: float | int) -> np.ndarray:
    """Returns the mean of the image enlarged by 1 to 1 + share about its middle: a zoom while the
    shutter is open, sampled so finely that no corner moves more than a pixel between two."""
    height, width = image.shape[:2]
    count = max(int(np.ceil(share * np.hypot(height, width) / 2)), 1) + 1
    x, y = _grid(image)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    total = np.zeros_like(image)
    for size in np.linspace(1, 1 + share, count, dtype=np.float32):
        total += _read(image, middle_x + (x - middle_x) / size, middle_y + (y - middle_y) / size)
    return total / count


def glass(
    image: np.ndarray, reach: float | int, sigma: float | int, rng: np.random.Generator
) -> np.ndarray:
    """Returns the image with each pixel read up to `reach` pixels away at random, then blurred."""
    x, y = _grid(image)
    away = rng.uniform(-reach, reach, (2, *x.shape)).astype(np.float32)
    return cv2.GaussianBlur(
        _read(image, x + away[0], y + away[1]), (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101
    )


def elastic(
    image: np.ndarray, reach: float | int, scale: float | int, rng: np.random.Generator
) -> np.ndarray:
    """Returns the image bent by waves of about `scale` pixels that move it `reach` pixels (rms)."""
    x, y = _grid(image)
    waves = _waves((*x.shape, 2), scale, rng) * np.float32(reach)
    return _read(image, x + waves[..., 0], y + waves[..., 1])


def spatter(
    image: np.ndarray, share: float | int, scale: float | int, rng: np.random.Generator
) -> np.ndarray:
    """Returns the image behind drops of mud that cover a share of the lens; `scale` is their size.

    Drops are the peaks of smooth noise, opaque in the middle and thinner at the edge.
    """
    height = _waves(image.shape[:2], scale, rng)
    level = np.quantile(height, 1 - share)
    cover = np.clip((height - level) / np.float32(0.4), 0, 1)[..., None]
    mud = np.array([63, 42, 20], np.float32) + 40 * (height[..., None] - level)  # [choice] brown
    return image + cover * (np.clip(mud, 0, 120) - image)


def _waves(shape: tuple[int, ...], scale: float | int, rng: np.random.Generator) -> np.ndarray:
    """Returns smooth noise of variance 1."""
    field = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), scale)
    return (field - field.mean()) / field.std()


def motion(image: np.ndarray, flow: np.ndarray, shutter: float | int) -> np.ndarray:
    """Returns the image with each pixel averaged along its own true motion.

    `flow` (h, w, 2) is the motion to the next frame in pixels, `shutter` the share of the time
    between two frames for which the shutter is open, half before and half after. Light of a moving
    object does not spread over what lies beside it, as it would in a camera.
    """
    longest = float(np.quantile(np.hypot(flow[..., 0], flow[..., 1]), 0.999)) * shutter
    count = int(np.clip(np.ceil(longest), 1, 255)) + 1
    x, y = _grid(image)
    total = np.zeros_like(image)
    for time in np.linspace(-shutter / 2, shutter / 2, count, dtype=np.float32):
        total += _read(image, x + time * flow[..., 0], y + time * flow[..., 1])
    return total / count


def carry(flow: np.ndarray) -> np.ndarray:
    """Returns the motion at the pixels of the second frame, which `flow` carried there.

    Solves v(x) = flow(x - v(x)) by repetition; where something comes into view it is a guess.
    """
    x, y = _grid(flow)
    found = flow
    for _ in range(5):
        found = cv2.remap(
            flow,
            x - found[..., 0],
            y - found[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return found
