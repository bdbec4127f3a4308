"""Operators of the published pipelines for accelerators: static shapes, traced sizes.

A small picture lies in the corner of a canvas; what is beyond it is never read. Change of
resolution is a matrix per axis, blur one convolution. They follow `resize`, `blur`, `noise` and
`jpeg`.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.degrade import device, draw
from daflow_jax.degrade import jpeg_tables as tables

_REACH = 10  # the widest kernel has 21 taps
_LUMA = np.array([0.2989, 0.587, 0.114], np.float32)  # Rec. 601, as in `noise`


class Canvas(NamedTuple):
    """A picture of height x width in the corner of `image` (h, w, 3), 0..255."""

    image: jax.Array
    height: Any
    width: Any


def _indices(length: int, size: Any, mirrored: bool, before: int = 0, after: int = 0) -> jax.Array:
    """Returns places inside [0, size) for -before .. length + after, mirrored or held there."""
    at = jnp.arange(-before, length + after)
    if not mirrored:
        return jnp.clip(at, 0, size - 1).astype(int)
    turn = jnp.maximum(2 * size - 2, 1)
    folded = jnp.abs(at) % turn
    return jnp.minimum(folded, turn - folded).astype(int)


def filled(picture: Canvas) -> jax.Array:
    """Returns the canvas with the picture's last row and column repeated."""
    rows = _indices(picture.image.shape[0], picture.height, False)
    columns = _indices(picture.image.shape[1], picture.width, False)
    return picture.image[rows][:, columns]


def kernel(blur: draw.Blur) -> jax.Array:
    """Returns the kernel (21, 21) of one frame's blur, sum 1; a single tap if there is none."""
    axis = jnp.arange(-_REACH, _REACH + 1, dtype=jnp.float32)
    x, y = jnp.meshgrid(axis, axis)
    cos, sin = jnp.cos(blur.theta), jnp.sin(blur.theta)
    q = ((cos * x + sin * y) / blur.sigma_x) ** 2 + ((cos * y - sin * x) / blur.sigma_y) ** 2
    power = jnp.maximum(q, 1e-12) ** blur.beta
    shape = jnp.where(blur.kind < 4, jnp.exp(-0.5 * power), 1 / (1 + power))
    radius = jnp.maximum(jnp.hypot(x, y), 1e-6)
    ring = blur.omega * bessel(blur.omega * radius) / (2 * math.pi * radius)
    ring = jnp.where(radius < 0.5, blur.omega**2 / (4 * math.pi), ring)
    taps = jnp.where(blur.kind == draw.SINC, ring, shape)
    inside = jnp.maximum(jnp.abs(x), jnp.abs(y)) <= blur.size // 2
    taps = jnp.where(inside & ((blur.kind != draw.NONE) | (radius < 0.5)), taps, 0)
    return taps / taps.sum()


def bessel(x: jax.Array) -> jax.Array:
    """Returns J1 of x >= 0, off by less than 1e-7 (Abramowitz and Stegun 9.4.4 and 9.4.6)."""
    t = (jnp.minimum(x, 3.0) / 3) ** 2
    near = (0.5, -0.56249985, 0.21093573, -0.03954289, 0.00443319, -0.00031761, 0.00001109)
    s = 3 / jnp.maximum(x, 3.0)
    size = (0.79788456, 0.00000156, 0.01659667, 0.00017105, -0.00249511, 0.00113653, -0.00020033)
    phase = (-2.35619449, 0.12499612, 0.0000565, -0.00637879, 0.00074348, 0.00079824, -0.00029166)
    far = jnp.polyval(jnp.array(size[::-1]), s) / jnp.sqrt(jnp.maximum(x, 3.0))
    far = far * jnp.cos(x + jnp.polyval(jnp.array(phase[::-1]), s))
    return jnp.where(x < 3, x * jnp.polyval(jnp.array(near[::-1]), t), far)


def blur(picture: Canvas, taps: jax.Array) -> Canvas:
    """Returns the picture correlated with a kernel (21, 21), mirrored at its border."""
    height, width = picture.image.shape[:2]
    rows = _indices(height, picture.height, True, _REACH, _REACH)
    columns = _indices(width, picture.width, True, _REACH, _REACH)
    channels = jnp.moveaxis(picture.image[rows][:, columns], 2, 0)[:, None]
    out = jax.lax.conv(channels, taps[None, None], (1, 1), "VALID", jax.lax.Precision.HIGHEST)
    return picture._replace(image=jnp.moveaxis(out[:, 0], 0, 2))


def sharpen(image: jax.Array, weight: float = 0.5, threshold: float = 10.0) -> jax.Array:
    """Returns the image (h, w, 3) in 0..255 after the published unsharp mask (`blur.sharpen`)."""
    rows, columns = (jnp.asarray(_wide(n)) for n in image.shape[:2])

    def wide(x: jax.Array) -> jax.Array:
        return device.product("yh,hwc,xw->yxc", rows, x, columns)

    details = image - wide(image)
    soft = wide((jnp.abs(details) > threshold).astype(jnp.float32))
    return image + soft * (jnp.clip(image + weight * details, 0, 255) - image)


def _wide(size: int) -> np.ndarray:
    """Returns the (size, size) matrix of OpenCV's Gaussian of 51 taps, mirrored at the border."""
    away = np.arange(-25, 26)
    taps = np.exp(-0.5 * (away / (0.3 * (50 * 0.5 - 1) + 0.8)) ** 2)
    matrix = np.zeros((size, size))
    turn = max(2 * size - 2, 1)
    for step, tap in zip(away, taps / taps.sum(), strict=True):
        folded = np.abs(np.arange(size) + step) % turn
        np.add.at(matrix, (np.arange(size), np.minimum(folded, turn - folded)), tap)
    return matrix.astype(np.float32)


class Way(NamedTuple):
    """How a picture is resized: `factor` > 0 maps the coordinates, else the ratio of the sizes."""

    mode: Any  # place in published.MODES
    is_torch: bool
    factor: Any = 0.0


def resize(picture: Canvas, target: tuple[Any, Any], canvas: tuple[int, int], way: Way) -> Canvas:
    """Returns the picture at the target height and width, on a canvas of another size."""
    rows = resize_matrix(picture.image.shape[0], canvas[0], picture.height, target[0], way)
    columns = resize_matrix(picture.image.shape[1], canvas[1], picture.width, target[1], way)
    image = device.product("yh,hwc,xw->yxc", rows, picture.image, columns)
    return Canvas(image, *target)


def resize_matrix(length: int, canvas: int, source: Any, target: Any, way: Way) -> jax.Array:
    """Returns the (canvas, length) matrix from `source` places to `target` places of one axis."""
    j = jnp.arange(length, dtype=jnp.float32)
    i = jnp.minimum(jnp.arange(canvas, dtype=jnp.float32), target - 1)[:, None]
    step = source / target
    coordinate = jnp.where(way.factor > 0, 1 / jnp.maximum(way.factor, 1e-6), step)
    center = (i + 0.5) * coordinate - 0.5
    held = jnp.clip(center, 0, source - 1)
    linear = jnp.clip(1 - jnp.abs(held - j), 0, 1)
    area = _area_torch(i, j, source, target) if way.is_torch else _area(i, j, source, target)
    matrices = jnp.stack([area, linear, _cubic(center, j, source)])
    return matrices[way.mode]


def _cubic(center: jax.Array, j: jax.Array, source: Any) -> jax.Array:
    base, total = jnp.floor(center), 0.0
    for offset in (-1, 0, 1, 2):
        d = jnp.abs(center - base - offset)
        near = (1.25 * d - 2.25) * d * d + 1
        far = ((-0.75 * d + 3.75) * d - 6) * d + 3
        at = jnp.clip(base + offset, 0, source - 1)
        total = total + jnp.where(d <= 1, near, far) * (at == j)
    return total


def _area(i: jax.Array, j: jax.Array, source: Any, target: Any) -> jax.Array:
    """Returns OpenCV's: means over parts of pixels, or a sharper bilinear if the picture grows.

    Where the coordinate of a growing picture is whole, OpenCV may take the neighbour (rounding).
    """
    step = source / target
    overlap = jnp.minimum(j + 1, (i + 1) * step) - jnp.maximum(j, i * step)
    whole = [jnp.asarray(x).astype(int) for x in (i, source, target)]
    first = whole[0] * whole[1] // whole[2]
    share = (i + 1) - (first + 1) / step
    share = jnp.where(share <= 0, 0, share - jnp.floor(share))
    second = jnp.minimum(first + 1, source - 1)
    grown = (1 - share) * (first == j) + share * (second == j)
    return jnp.where(step >= 1, jnp.clip(overlap, 0, 1) / step, grown)


def _area_torch(i: jax.Array, j: jax.Array, source: Any, target: Any) -> jax.Array:
    """Returns means over the whole pixels that each target pixel touches."""
    i, source, target = (jnp.asarray(x).astype(int) for x in (i, source, target))
    first, last = i * source // target, -(-(i + 1) * source // target)
    return ((j >= first) & (j < last)) / (last - first)


def noise(picture: Canvas, order: draw.Order, field: jax.Array, clip: bool) -> Canvas:
    """Returns the picture plus Gaussian or shot noise made of a standard normal field (h, w, 3)."""
    image = picture.image
    field = jnp.where(order.gray, field[..., :1], field)
    bright = jnp.round(jnp.clip(image, 0, 255))
    luma = jnp.round(device.product("hwc,c->hw", bright, jnp.asarray(_LUMA)))[..., None]
    bright = jnp.where(order.gray, luma, bright)
    rows, columns = (jnp.arange(n) for n in image.shape[:2])
    is_inside = (rows < picture.height)[:, None] & (columns < picture.width)
    seen = jnp.zeros(256, bool).at[bright.astype(int)].max(is_inside[..., None])
    peak = 2 ** jnp.ceil(jnp.log2(seen.sum()))
    deviation = order.poisson * jnp.sqrt(bright * (255 / peak))
    noisy = image + jnp.where(order.is_gaussian, order.gaussian, deviation) * field
    return picture._replace(image=jnp.clip(noisy, 0, 255) if clip else noisy)


def jpeg_opencv(picture: Canvas, quality: Any) -> Canvas:
    """Returns the picture after JPEG with red and blue exchanged; canvas sides of whole 16."""
    image = jnp.round(jnp.clip(filled(picture), 0, 255))[..., ::-1]
    return picture._replace(image=device.jpeg(image, quality)[..., ::-1])


def jpeg_published(picture: Canvas, quality: Any) -> Canvas:
    """Returns the picture after `jpeg.published`; canvas sides are multiples of 16."""
    rows, columns = (jnp.arange(n) for n in picture.image.shape[:2])
    is_inside = (rows < picture.height)[:, None] & (columns < picture.width)
    image = jnp.where(is_inside[..., None], jnp.clip(picture.image, 0, 255), 0)
    scale = jnp.maximum(jnp.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100, 1e-3)
    ycc = device.product("hwc,dc->dhw", image, jnp.asarray(tables.TO_YCC))
    height, width = image.shape[:2]
    halves = ycc[1:].reshape(2, height // 2, 2, width // 2, 2).mean((2, 4))
    light = device.quantise(ycc[:1] - 128, jnp.asarray(tables.LUMINANCE.T) * scale) + 128
    color = device.quantise(halves, jnp.asarray(tables.CHROMINANCE) * scale)
    full = jnp.concatenate([light, color.repeat(2, 1).repeat(2, 2)])
    back = device.product("dhw,cd->hwc", full, jnp.asarray(tables.FROM_YCC))
    return picture._replace(image=jnp.clip(back, 0, 255))
