"""The accelerator form of the training degradation: matrix products, no gather, static shapes.

Blur and change of resolution are one matrix per axis; the small picture lies in the corner of a
canvas of the full size, its last row and column repeated, so that noise and JPEG work at the true
low resolution. Video compression has no such form: it is the host's.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.degrade import jpeg_tables as tables
from daflow_jax.degrade import mixture

_FULL_WELL = 1000.0

product = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)


def degrade(
    key: jax.Array,
    frames: jax.Array,
    low: float | int = 0.0,
    high: float | int = 5.5,
    mode: str = "clip",
) -> jax.Array:
    """Returns the frames, float32 (f, h, w, 3) in [0, 1], after one draw of the training mixture.

    Severities are uniform in [low, high]; `mode` "clip" draws once per clip, "frame" anew for each
    frame. The host's codec and camera shake are missing here.
    """
    draw, noise = jax.random.split(key)
    keys = jax.random.split(noise, len(frames))
    if mode == "clip":
        parameters = _parameters(draw, low, high)
        return jax.vmap(one_frame, (0, 0, None))(keys, frames, parameters)
    if mode == "frame":
        each = jax.vmap(lambda k: _parameters(k, low, high))(jax.random.split(draw, len(frames)))
        return jax.vmap(one_frame)(keys, frames, each)
    raise ValueError(f'mode is {mode!r}; the modes are "clip" and "frame"')


def _parameters(key: jax.Array, low: float | int, high: float | int) -> mixture.Parameters:
    return mixture.draw(jax.random.uniform(key, (mixture.NUM_UNIFORM,)), low, high, jnp)


def one_frame(key: jax.Array, frame: jax.Array, p: mixture.Parameters) -> jax.Array:
    """Returns one frame (h, w, 3) in [0, 1], degraded by the parameters p."""
    dark, grain = jax.random.split(key)
    height, width = frame.shape[:2]
    image = _lowlight(dark, frame * 255, p)
    down_y, up_y = resize_matrices(height, p.factor, p.area)
    down_x, up_x = resize_matrices(width, p.factor, p.area)
    rows = product("ij,jk->ik", down_y, blur_matrix(height, p.sigma_y))
    columns = product("ij,jk->ik", down_x, blur_matrix(width, p.sigma_x))
    small = _axes(rows, columns, image)
    small = _noise(grain, small, p)
    packed = jpeg(jnp.round(jnp.clip(small, 0, 255)), jnp.minimum(p.quality, 100.0))
    small = jnp.where(p.quality > 100, small, packed)
    back = _axes(up_y, up_x, small)
    return jnp.round(jnp.clip(back, 0, 255)) / 255


def _axes(rows: jax.Array, columns: jax.Array, image: jax.Array) -> jax.Array:
    return product("yh,hwc,xw->yxc", rows, image, columns)


def _lowlight(key: jax.Array, image: jax.Array, p: mixture.Parameters) -> jax.Array:
    """Dims, adds photon noise (a normal of the Poisson's variance) and amplifies."""
    dim = image * p.light
    counted = dim + jnp.sqrt(dim * (255 / _FULL_WELL)) * jax.random.normal(key, image.shape)
    lifted = jnp.clip(counted * (1 / p.light) ** p.gain, 0, 255)
    return jnp.where(p.light < 1, lifted, image)


def _noise(key: jax.Array, image: jax.Array, p: mixture.Parameters) -> jax.Array:
    """Adds normal noise and noise whose variance grows with the brightness."""
    plain, shot = (jax.random.normal(k, image.shape) for k in jax.random.split(key))
    plain, shot = (jnp.where(p.gray, field[..., :1], field) for field in (plain, shot))
    luma = product("hwc,c->hw", image, jnp.asarray(tables.TO_YCC[0]))[..., None]
    bright = jnp.clip(jnp.where(p.gray, luma, image), 0, 255)
    return image + p.noise * plain + jnp.sqrt(p.shot * bright / 255) * shot


def blur_matrix(size: int, sigma: jax.Array | float | int) -> jax.Array:
    """Returns the (size, size) matrix of a Gaussian blur, reflected about the last pixel."""
    i, j = jnp.arange(size, dtype=jnp.float32)[:, None], jnp.arange(size, dtype=jnp.float32)
    scale = jnp.maximum(sigma, 0.05)  # below that the kernel is a single tap

    def tap(source):
        return jnp.exp(-0.5 * ((i - source) / scale) ** 2)

    before = jnp.where(j > 0, tap(-j), 0)
    after = jnp.where(j < size - 1, tap(2 * (size - 1) - j), 0)
    weights = tap(j) + before + after
    return weights / weights.sum(1, keepdims=True)


def resize_matrices(
    size: int, factor: jax.Array | float | int, area: jax.Array | bool
) -> tuple[jax.Array, jax.Array]:
    """Returns the way down (canvas, size) and the bicubic way back (size, canvas) of one axis.

    The canvas is `size` rounded up to a multiple of 16; its first round(size / factor) places are
    the small picture, the others repeat its last place. Down is by area or bilinear (OpenCV's).
    """
    canvas = -(-size // 16) * 16
    small = jnp.maximum(jnp.round(size / factor), min(4, size)).astype(jnp.float32)
    ratio = size / small
    place = jnp.minimum(jnp.arange(canvas, dtype=jnp.float32), small - 1)[:, None]
    source = jnp.arange(size, dtype=jnp.float32)
    left, right = place * ratio, (place + 1) * ratio
    overlap = jnp.minimum(source + 1, right) - jnp.maximum(source, left)
    center = jnp.clip((place + 0.5) * ratio - 0.5, 0, size - 1)
    down = jnp.where(
        area, jnp.clip(overlap, 0, 1) / ratio, jnp.clip(1 - jnp.abs(center - source), 0, 1)
    )
    return down, _bicubic(source, small, ratio, canvas)


def _bicubic(target: jax.Array, small: jax.Array, ratio: jax.Array, canvas: int) -> jax.Array:
    """Returns the matrix that reads `small` places of a canvas at the targets (a = -0.75)."""
    center = (target + 0.5) / ratio - 0.5
    base = jnp.floor(center)
    columns = jnp.arange(canvas, dtype=jnp.float32)
    matrix = jnp.zeros((len(target), canvas))
    for offset in (-1, 0, 1, 2):
        d = jnp.abs(center - base - offset)
        near = (1.25 * d - 2.25) * d * d + 1
        far = ((-0.75 * d + 3.75) * d - 6) * d + 3
        weight = jnp.where(d <= 1, near, jnp.where(d < 2, far, 0))
        index = jnp.clip(base + offset, 0, small - 1)
        matrix = matrix + weight[:, None] * (index[:, None] == columns)
    return matrix


def jpeg(image: jax.Array, quality: jax.Array | float | int) -> jax.Array:
    """Returns the image (h, w, 3) in 0..255 after JPEG 4:2:0; h and w are multiples of 16."""
    scale = jnp.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    light, color = (
        jnp.clip(jnp.floor(table * scale + 0.5), 1, 255)
        for table in (tables.LUMINANCE, tables.CHROMINANCE)
    )
    ycc = product("hwc,dc->dhw", image, jnp.asarray(tables.TO_YCC))
    height, width = image.shape[:2]
    chroma = ycc[1:].reshape(2, height // 2, 2, width // 2, 2).mean((2, 4))
    luma = quantise(ycc[:1] - 128, light)[0] + 128
    chroma = _double(_double(quantise(chroma, color), 1), 2)
    full = jnp.concatenate([luma[None], chroma])
    back = jnp.asarray(np.linalg.inv(tables.TO_YCC.astype(np.float64)).astype(np.float32))
    return jnp.round(jnp.clip(product("dhw,cd->hwc", full, back), 0, 255))


def _double(planes: jax.Array, axis: int) -> jax.Array:
    """Returns planes of twice the length along an axis, interpolated as libjpeg does (3:1)."""
    size = planes.shape[axis]
    before, after = (
        planes.take(jnp.clip(jnp.arange(size) + step, 0, size - 1), axis) for step in (-1, 1)
    )
    pairs = jnp.stack([0.75 * planes + 0.25 * before, 0.75 * planes + 0.25 * after], axis + 1)
    return pairs.reshape(*planes.shape[:axis], 2 * size, *planes.shape[axis + 1 :])


def quantise(planes: jax.Array, table: jax.Array) -> jax.Array:
    """Returns planes (n, h, w), their 8x8 DCT coefficients rounded to steps of the table."""
    count, height, width = planes.shape
    blocks = planes.reshape(count, height // 8, 8, width // 8, 8)
    basis = jnp.asarray(tables.dct())
    found = product("uy,naybx,vx->naubv", basis, blocks, basis)
    kept = jnp.round(found / table[:, None]) * table[:, None]
    return product("uy,naubv,vx->naybx", basis, kept, basis).reshape(planes.shape)
