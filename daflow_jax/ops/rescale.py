"""Bilinear resizing as PyTorch's `interpolate` does it: corners not aligned, no antialiasing."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def rescale(x: Float[Array, "*b h w c"], factor: float) -> Float[Array, "*b y x c"]:
    """Returns `x` with sides of floor(factor side), bilinear.

    Pixel i of the result is read at (i + 0.5) / factor - 0.5, clamped at the border, also where the
    picture shrinks: halving averages 2 x 2 pixels, quartering the middle 2 x 2 of 4 x 4. Even
    numbers, and one over them, are sums of slices; other factors are matrix products.
    """
    if factor == 1:
        return x
    for axis in (x.ndim - 3, x.ndim - 2):
        x = _along(x, axis, factor)
    return x


def resize(x: Float[Array, "*b h w c"], size: tuple[int, int]) -> Float[Array, "*b y x c"]:
    """Returns `x` with `size` = (height, width), bilinear, as `rescale` reads it."""
    for axis, side in zip((x.ndim - 3, x.ndim - 2), size, strict=True):
        if x.shape[axis] != side:
            x = _product(x, axis, side, side / x.shape[axis])
    return x


def _along(x, axis, factor):
    if factor > 1 and factor % 2 == 0:
        return _enlarged(x, axis, int(factor))
    shrink = round(1 / factor)
    if factor < 1 and shrink * factor == 1 and shrink % 2 == 0:
        return _shrunk(x, axis, shrink)
    return _product(x, axis, int(np.floor(x.shape[axis] * factor)), factor)


def _shrunk(x, axis, shrink):
    """Returns the mean of the two middle entries of every `shrink`."""
    count = x.shape[axis] // shrink
    first, second = (
        x[(slice(None),) * axis + (slice(at, count * shrink, shrink),)]
        for at in (shrink // 2 - 1, shrink // 2)
    )
    return (first + second) * np.asarray(0.5, x.dtype)


def _enlarged(x, axis, factor):
    """Returns every entry `factor` times, each blended with the neighbour on its side."""
    size = x.shape[axis]
    first, last = (jax.lax.slice_in_dim(x, at, at + 1, axis=axis) for at in (0, size - 1))
    # behind a barrier, or what made x is computed again for each of the reads
    padded = jax.lax.optimization_barrier(jnp.concatenate([first, x, last], axis))
    before, own, after = (
        jnp.expand_dims(jax.lax.slice_in_dim(padded, at, at + size, axis=axis), axis + 1)
        for at in range(3)
    )
    share = (np.arange(factor) + 0.5) / factor - 0.5  # of a pixel, after its centre
    share = share.reshape(factor, *(1,) * (x.ndim - axis - 1))
    near, far = (np.asarray(part, x.dtype) for part in (1 - abs(share), abs(share)))
    both = near * own + far * jnp.where(share < 0, before, after)
    return both.reshape(*x.shape[:axis], factor * size, *x.shape[axis + 1 :])


def _product(x, axis, side, factor):
    weights = jnp.asarray(_weights(x.shape[axis], side, factor), x.dtype)
    form = "yh,...hwc->...ywc" if axis == x.ndim - 3 else "xw,...ywc->...yxc"
    return jnp.einsum(form, weights, x, precision="highest")


def _weights(size, side, factor):
    """Returns the (side, size) matrix of the interpolation."""
    at = np.clip((np.arange(side) + 0.5) / factor - 0.5, 0, size - 1)
    hat = 1 - np.abs(at[:, None] - np.arange(size)[None])
    return np.maximum(hat, 0).astype(np.float32)
