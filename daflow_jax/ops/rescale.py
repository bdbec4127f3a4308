"""Bilinear resizing as PyTorch's `interpolate` does it: corners not aligned, no antialiasing."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def rescale(x: Float[Array, "*b h w c"], factor: float) -> Float[Array, "*b y x c"]:
    """Returns `x` with sides of floor(factor side), bilinear.

    Pixel i of the result is read at (i + 0.5) / factor - 0.5, clamped at the border, also where the
    picture shrinks: halving averages 2 x 2 pixels, quartering the middle 2 x 2 of 4 x 4. Two, and
    one over an even number, are sums of slices; other factors are matrix products.
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
    if factor == 2:
        return _doubled(x, axis)
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


def _doubled(x, axis):
    """Returns every entry twice, each blended with the neighbour on its side."""
    size = x.shape[axis]
    first, last = (jax.lax.slice_in_dim(x, at, at + 1, axis=axis) for at in (0, size - 1))
    before = jnp.concatenate([first, jax.lax.slice_in_dim(x, 0, size - 1, axis=axis)], axis)
    after = jnp.concatenate([jax.lax.slice_in_dim(x, 1, size, axis=axis), last], axis)
    own, other = (np.asarray(share, x.dtype) for share in (0.75, 0.25))
    shape = (*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])
    both = jnp.stack([own * x + other * before, own * x + other * after], axis + 1)
    return both.reshape(shape)


def _product(x, axis, side, factor):
    weights = jnp.asarray(_weights(x.shape[axis], side, factor), x.dtype)
    form = "yh,...hwc->...ywc" if axis == x.ndim - 3 else "xw,...ywc->...yxc"
    return jnp.einsum(form, weights, x, precision="highest")


def _weights(size, side, factor):
    """Returns the (side, size) matrix of the interpolation."""
    at = np.clip((np.arange(side) + 0.5) / factor - 0.5, 0, size - 1)
    hat = 1 - np.abs(at[:, None] - np.arange(size)[None])
    return np.maximum(hat, 0).astype(np.float32)
