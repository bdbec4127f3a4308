"""Correlation of every pixel with a square of neighbours in the other image (FlowNet, PWC-Net).

The plain form multiplies shifted images, one displacement at a time, and so reads both images once
for each of 81 or 441 displacements. Here a tile of the first image meets its surroundings in the
second in one matrix product, of which reshapes cut out the wanted band: more products, but dense
ones, and no gather or scatter in either direction.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def local_correlation(
    first: Float[Array, "b h w c"], second: Float[Array, "b h w c"], radius: int, stride: int = 1
) -> Float[Array, "b h w {(2*(radius//stride)+1)**2}"]:
    """Returns the mean over channels of first(x, y) * second(x + u, y + v), n = 2 * reach + 1.

    Channel j * n + i belongs to v = (j - reach) * stride and u = (i - reach) * stride pixels, with
    reach = radius // stride: vertical displacement is the slow index. Zeros stand outside `second`.
    PWC-Net takes radius 4 and stride 1, 81 channels (sec. 3); FlowNetC 20 and 2, 441 (sec. 3).

    Sums are in float32; the result has the type of `first`. Forward-mode differentiation is not
    supported. Raises ValueError for a radius or stride out of range.
    """
    if radius < 0 or stride < 1:
        raise ValueError(
            f"local_correlation: radius {radius}, stride {stride}; they are at least 0 and 1"
        )
    return jnp.asarray(_correlation(radius, stride, first, second))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _correlation(radius, stride, first, second):
    return _correlate(radius, stride, first, second)


def _forward(radius, stride, first, second):
    return _correlation(radius, stride, first, second), (first, second)


def _backward(radius, stride, residuals, grad):
    # The products run again: kept, tiles and surroundings are several times the size of the images.
    return jax.vjp(functools.partial(_correlate, radius, stride), *residuals)[1](grad)


_correlation.defvjp(_forward, _backward)


def _correlate(radius, stride, first, second):
    height, width, channels = first.shape[1:]
    reach = radius // stride
    tile = 8 if reach <= 8 else 16  # sides in pixels that are fastest on a CPU at reach 4 and 10
    rows, columns = (-(-side // (stride * tile)) for side in (height, width))
    margins = (0, rows * stride * tile - height), (0, columns * stride * tile - width)
    a, b = (_phases(_padded(x, *margins), stride) for x in (first, second))
    a = a.reshape(-1, rows, tile, columns, tile, channels)
    b = _surroundings(_surroundings(b, 1, rows, tile, reach), 3, columns, tile, reach)
    products = jnp.einsum("byixjc,byuxvc->byxijuv", a, b, preferred_element_type=jnp.float32)
    out = _band(products, 2 * reach + 1) / channels
    out = out.reshape(-1, rows * tile, columns * tile, (2 * reach + 1) ** 2)
    return _whole(out, stride)[:, :height, :width].astype(first.dtype)


def _padded(x, rows, columns):
    return jnp.pad(x, ((0, 0), rows, columns, (0, 0)))


def _phases(x: Array, stride: int) -> Array:
    """Returns every `stride`-th pixel, from each start, as (b * stride^2, h / stride, w / stride,
    c): displacements never leave a phase.
    """
    if stride == 1:
        return x
    b, h, w, c = x.shape
    x = x.reshape(b, h // stride, stride, w // stride, stride, c).transpose(0, 2, 4, 1, 3, 5)
    return x.reshape(-1, h // stride, w // stride, c)


def _whole(x: Array, stride: int) -> Array:
    """Undoes `_phases`."""
    if stride == 1:
        return x
    _, h, w, c = x.shape
    x = x.reshape(-1, stride, stride, h, w, c).transpose(0, 3, 1, 4, 2, 5)
    return x.reshape(-1, h * stride, w * stride, c)


def _surroundings(x: Array, axis: int, count: int, tile: int, reach: int) -> Array:
    """Returns `x` with `axis`, count * tile long, as (count, tile + 2 * reach): every tile with
    `reach` pixels, or zeros, on both sides.
    """
    length = tile + 2 * reach
    blocks = -(-length // tile)  # that hold one tile's surroundings
    pads = [(0, 0)] * x.ndim
    pads[axis] = (reach, (blocks - 1) * tile - reach)
    x = jnp.pad(x, pads)
    x = x.reshape(*x.shape[:axis], count + blocks - 1, tile, *x.shape[axis + 1 :])
    parts = [jax.lax.slice_in_dim(x, i, i + count, axis=axis) for i in range(blocks)]
    last = length - (blocks - 1) * tile
    parts[-1] = jax.lax.slice_in_dim(parts[-1], 0, last, axis=axis + 1)
    return jnp.concatenate(parts, axis=axis + 1)


def _band(products: Float[Array, "b y x t t u u"], n: int) -> Float[Array, "b y t x t {n} {n}"]:
    """Returns element (i, j, i + dy, j + dx) of every (tile, tile, surroundings, surroundings) for
    dy, dx < n, with rows before columns.

    Row i of a matrix of length u, read from the flat matrix in rows of length u + 1, starts at
    column i.
    """
    b, y, x, t, _, u, _ = products.shape
    columns = products.transpose(0, 1, 2, 3, 5, 4, 6).reshape(b, y, x, t, u, t * u)
    columns = jnp.pad(columns, ((0, 0),) * 5 + ((0, t),)).reshape(b, y, x, t, u, t, u + 1)
    rows = columns[..., :n].reshape(b, y, x, t * u, t * n)
    rows = jnp.pad(rows, ((0, 0),) * 3 + ((0, t), (0, 0))).reshape(b, y, x, t, u + 1, t, n)
    return rows[:, :, :, :, :n].transpose(0, 1, 3, 2, 5, 4, 6)
