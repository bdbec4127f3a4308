"""Colours of frames changed at random, as self-supervised recipes do; torchvision's operations.

Images are (b, h, w, 3) in [0, 1]; every image has its own draw. No gradients are meant to pass.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# ImageNet's mean and deviation, as torchvision states them
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


class Jitter(NamedTuple):
    """Largest relative change of brightness, contrast and saturation, of the hue in turns, and how
    often: shares of images. blur_size: pixels of the kernel, odd; blur: least and largest sigma.

    The defaults are FlowE's and PooDLe's (PooDLe's code, 7518934, src/datasets).
    """

    brightness: float = 0.8
    contrast: float = 0.8
    saturation: float = 0.8
    hue: float = 0.2
    share: float = 0.8
    grey: float = 0.2
    blur_share: float = 0.5
    blur_size: int = 51
    blur: tuple[float, float] = (0.1, 2.0)


def standardise(images: Float[Array, "*b h w 3"]) -> Float[Array, "*b h w 3"]:
    """Returns images in [0, 1] with ImageNet's mean and deviation taken out."""
    return (images - MEAN) / DEVIATION


def jitter(rng: jax.Array, images: Float[Array, "b h w 3"], by: Jitter) -> Float[Array, "b h w 3"]:
    """Returns the images after brightness, contrast, saturation and hue in this order (torchvision
    draws the order), some of them grey, some blurred.
    """
    keys, count = jax.random.split(rng, 7), len(images)

    def drawn(key, low, high):
        return jax.random.uniform(key, (count, 1, 1, 1), minval=low, maxval=high)

    def change(key, bound):
        return drawn(key, max(0.0, 1 - bound), 1 + bound)

    out = jnp.clip(images * change(keys[0], by.brightness), 0, 1)
    out = _blend(out, jnp.mean(grey(out), (1, 2, 3), keepdims=True), change(keys[1], by.contrast))
    out = _blend(out, grey(out), change(keys[2], by.saturation))
    out = turn_hue(out, drawn(keys[3], -by.hue, by.hue)[..., 0])
    often = jax.random.uniform(keys[4], (3, count, 1, 1, 1))
    out = jnp.where(often[0] < by.share, out, images)
    out = jnp.where(often[1] < by.grey, jnp.broadcast_to(grey(out), out.shape), out)
    if not by.blur_share:
        return out
    sigma = drawn(keys[5], *by.blur)[:, 0, 0, 0]
    return jnp.where(often[2] < by.blur_share, blur(out, sigma, by.blur_size), out)


def grey(images: Float[Array, "b h w 3"]) -> Float[Array, "b h w 1"]:
    """Returns the luma of Rec. 601."""
    return jnp.sum(images * _GREY, -1, keepdims=True)


def _blend(images, other, share):
    return jnp.clip(share * images + (1 - share) * other, 0, 1)


def turn_hue(
    images: Float[Array, "b h w 3"], turns: Float[Array, "b 1 1"]
) -> Float[Array, "b h w 3"]:
    """Returns the images with `turns` of a whole circle added to the hue (HSV)."""
    high, low = images.max(-1), images.min(-1)
    span = high - low
    safe = jnp.where(span > 0, span, 1.0)
    r, g, b = (images[..., k] for k in range(3))
    hue = jnp.where(high == g, 2 + (b - r) / safe, 4 + (r - g) / safe)
    hue = jnp.where(high == r, (g - b) / safe, hue) / 6 + turns
    k = (jnp.array([5.0, 3.0, 1.0]) + 6 * hue[..., None]) % 6
    part = jnp.clip(jnp.minimum(k, 4 - k), 0, 1)
    return high[..., None] - span[..., None] * part


def blur(
    images: Float[Array, "b h w 3"], sigma: Float[Array, " b"], size: int
) -> Float[Array, "b h w 3"]:
    """Returns the images under Gaussian kernels of `size` pixels, reflected at the borders.

    A kernel that does not fit into the frame is cut to the largest that does.
    """
    reach = min((size - 1) // 2, min(images.shape[1:3]) - 1)
    offsets = jnp.arange(-reach, reach + 1, dtype=jnp.float32)
    weights = jnp.exp(-0.5 * jnp.square(offsets / sigma[:, None]))
    weights = weights / jnp.sum(weights, -1, keepdims=True)
    for axis in (1, 2):
        around = [(reach, reach) if k == axis else (0, 0) for k in range(4)]
        padded, length = jnp.pad(images, around, mode="reflect"), images.shape[axis]

        def tap(k, total, padded=padded, length=length, axis=axis):
            part = jax.lax.dynamic_slice_in_dim(padded, k, length, axis)
            return total + weights[:, k, None, None, None] * part

        images = jax.lax.fori_loop(0, 2 * reach + 1, tap, jnp.zeros_like(images))
    return images


def relative_size(side: int, share: float = 0.1) -> int:
    """Returns the odd kernel size of about `share` of a side (SimCLR, PooDLe)."""
    return 2 * math.floor(share * side / 2) + 1
