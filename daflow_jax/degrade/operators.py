"""The operators by name, as a recipe calls them.

Images are float32 (h, w, 3) in 0..255, not rounded and not clipped on the way unless an operator's
own nature asks for it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.degrade import (
    blur,
    blur_down,
    codec,
    jpeg,
    lens,
    matlab_resize,
    noise,
    raw_noise,
    resize,
    tone,
)


class Scene(NamedTuple):
    """What an operator may know beside its image."""

    size: tuple[int, int]  # of the clip before any change of resolution
    rng: np.random.Generator  # new in each frame
    still: np.random.Generator  # the same in each frame: what sits on the lens
    flow: np.ndarray | None  # true motion of this frame to the next, in pixels of `size`


class Operator(NamedTuple):
    """A function of one image, or of the clip at once: (image or images, scene, **parameters)."""

    function: Callable[..., Any]
    whole_clip: bool = False
    needs_flow: bool = False


def _blur(image, scene, sigma_x, sigma_y, theta=0.0):
    return blur.blur(image, sigma_x, sigma_y, theta)


def _kernel_blur(image, scene, kind, size, sigma_x, sigma_y, theta=0.0, beta=1.0):
    return blur.apply(image, blur.shaped(size, sigma_x, sigma_y, theta, beta, kind))


def _sinc(image, scene, size, omega):
    return blur.apply(image, blur.sinc(size, omega))


def _motion(image, scene, length, theta):
    return blur.apply(image, blur.motion(length, theta))


def _flow_blur(image, scene, shutter):
    return lens.motion(image, scene.flow, shutter)


def _disc(image, scene, radius):
    return blur.apply(image, blur.disc(radius))


def _sharpen(image, scene, weight=0.5, radius=50, threshold=10.0, coarse=False):
    return blur.sharpen(image, weight, radius, threshold, coarse)


def _zoom(image, scene, share):
    return lens.zoom(image, share)


def _glass(image, scene, reach, sigma):
    return lens.glass(image, reach, sigma, scene.still)


def _elastic(image, scene, reach, scale):
    return lens.elastic(image, reach, scale, scene.still)


def _spatter(image, scene, share, scale):
    return lens.spatter(image, share, scale, scene.still)


def _brightness(image, scene, lift):
    return tone.brightness(image, lift)


def _contrast(image, scene, share):
    return tone.contrast(image, share)


def _saturate(image, scene, factor):
    return tone.saturate(image, factor)


def _gaussian(image, scene, sigma, gray=False, table=False):
    return noise.gaussian(image, sigma, gray, scene.rng, table)


def _poisson(image, scene, scale, gray=False, table=False):
    return noise.poisson(image, scale, gray, scene.rng, table)


def _impulse(image, scene, share):
    return noise.impulse(image, share, scene.rng)


def _speckle(image, scene, sigma):
    return noise.speckle(image, sigma, scene.rng)


def _photons(image, scene, full_well):
    return noise.photons(image, full_well, scene.rng)


def _lowlight(image, scene, light, full_well, gain):
    """Dims to a share of the light, counts photons, amplifies by a share of what was lost."""
    lift = np.float32((1 / light) ** gain)
    return np.clip(noise.photons(image * np.float32(light), full_well, scene.rng) * lift, 0, 255)


def _sensor(image, scene, iso):
    """Adds CRVD's noise at an ISO in the raw picture of a stand-in camera."""
    drawn = raw_noise.add(
        np.clip(image, 0, 255) / np.float32(255),
        raw_noise.CRVD[iso],
        lambda mean: scene.rng.poisson(mean).astype(np.float32),
        lambda shape: scene.rng.standard_normal(shape, np.float32),
    )
    return (255 * drawn).astype(np.float32)


def _clip(image, scene):
    return np.clip(image, 0, 255)


def _matlab_resize(image, scene, scale):
    return matlab_resize.resize(image, scale)


def _blur_down(image, scene):
    return blur_down.blur_down(image)


def _down(image, scene, factor, mode):
    height, width = (resize.scaled_size(length, factor) for length in image.shape[:2])
    return resize.to_size(image, height, width, mode)


def _back(image, scene, mode):
    return resize.to_size(image, scene.size[0], scene.size[1], mode)


def _scale(image, scene, scale, mode):
    height, width = (resize.even_size(length, scale) for length in image.shape[:2])
    return resize.to_size(image, height, width, mode)


def _share(length, share):
    return max(int(length * share), 1)


def _scale_published(image, scene, scale, mode):
    height, width = (_share(length, scale) for length in image.shape[:2])
    return resize.published(image, height, width, mode, scale)


def _resize(image, scene, height, width, mode):
    """To shares of the clip's size."""
    return resize.to_size(image, _share(scene.size[0], height), _share(scene.size[1], width), mode)


def _resize_published(image, scene, height, width, mode):
    height, width = _share(scene.size[0], height), _share(scene.size[1], width)
    return resize.published(image, height, width, mode)


def _jpeg(image, scene, quality, order="rgb"):
    return jpeg.jpeg(tone.to_uint8(image), quality, order).astype(np.float32)


def _jpeg_published(image, scene, quality):
    return jpeg.published(np.clip(image, 0, 255), quality)


def _codec(
    images, scene, name, kbit_per_frame=0.0, crf=0, preset="veryfast", rate=25, truncate=False
):
    """`truncate` cuts to bytes as RealBasicVSR does, else they are rounded."""
    cut = [np.floor(np.clip(image, 0, 255)) if truncate else image for image in images]
    frames = codec.one_size([tone.to_uint8(image) for image in cut])
    return list(codec.codec(frames, name, kbit_per_frame, crf, preset, rate).astype(np.float32))


OPERATORS: dict[str, Operator] = {
    "blur": Operator(_blur),
    "kernel_blur": Operator(_kernel_blur),
    "sinc": Operator(_sinc),
    "disc_blur": Operator(_disc),
    "motion_blur": Operator(_motion),
    "flow_blur": Operator(_flow_blur, needs_flow=True),
    "zoom_blur": Operator(_zoom),
    "glass_blur": Operator(_glass),
    "sharpen": Operator(_sharpen),
    "elastic": Operator(_elastic),
    "spatter": Operator(_spatter),
    "brightness": Operator(_brightness),
    "contrast": Operator(_contrast),
    "saturate": Operator(_saturate),
    "gaussian_noise": Operator(_gaussian),
    "poisson_noise": Operator(_poisson),
    "impulse_noise": Operator(_impulse),
    "speckle_noise": Operator(_speckle),
    "photons": Operator(_photons),
    "lowlight": Operator(_lowlight),
    "sensor_noise": Operator(_sensor),
    "clip": Operator(_clip),
    "matlab_resize": Operator(_matlab_resize),
    "blur_down": Operator(_blur_down),
    "down": Operator(_down),
    "back": Operator(_back),
    "scale": Operator(_scale),
    "scale_published": Operator(_scale_published),
    "resize": Operator(_resize),
    "resize_published": Operator(_resize_published),
    "jpeg": Operator(_jpeg),
    "jpeg_published": Operator(_jpeg_published),
    "codec": Operator(_codec, whole_clip=True),
}
