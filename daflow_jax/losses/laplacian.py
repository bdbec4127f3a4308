"""The Laplacian pyramid and the loss over its levels (Bojanowski et al. 2018; RIFE, eq. 6)."""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LEVELS = 5  # RIFE's code
SMALLEST = 64  # side of pictures whose last level can still be blurred
_TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def pyramid(x: Float[Array, "*b h w c"], levels: int = LEVELS) -> list[Float[Array, "*b y x c"]]:
    """Returns the bands of a picture, fine to coarse, without the low-pass remainder.

    Sides are multiples of 2^levels, two of them at least.
    """
    least = 2**levels
    if any(side % least or side < 2 * least for side in x.shape[-3:-1]):
        size = f"{x.shape[-2]}x{x.shape[-3]}"
        rule = f"picture is {size}; {levels} levels need multiples of {least}, from {2 * least} on"
        raise ValueError(f"{rule}; pad it or cut it")
    bands = []
    for _ in range(levels):
        down = _both(x, _reduce)
        bands.append(x - _both(down, _expand))
        x = down
    return bands


def laplacian_loss(
    image: Float[Array, "*b h w c"], target: Float[Array, "*b h w c"]
) -> Float[Array, "*b"]:
    """Returns the sum over the bands of the mean absolute difference, one value a picture."""
    bands = pyramid(image.astype(jnp.float32) - target.astype(jnp.float32))  # linear
    return sum((jnp.mean(jnp.abs(band), (-3, -2, -1)) for band in bands), start=jnp.float32(0))


def _both(x, matrix):
    """Returns x with a matrix applied to its rows and to its columns.

    As products: written as sums of shifted pictures, five levels take minutes to compile.
    """
    rows, columns = (jnp.asarray(matrix(side), x.dtype) for side in x.shape[-3:-1])
    x = jnp.einsum("yh,...hwc->...ywc", rows, x, precision="highest")
    return jnp.einsum("xw,...ywc->...yxc", columns, x, precision="highest")


@functools.lru_cache(maxsize=64)
def _blur(side: int) -> np.ndarray:
    """Returns the (side, side) matrix of the taps; pixels at the edge are not repeated."""
    at = np.arange(side)[:, None] + np.arange(-2, 3)
    at = np.where(at < 0, -at, np.where(at >= side, 2 * (side - 1) - at, at))
    matrix = np.zeros((side, side), np.float32)
    for tap, column in zip(_TAPS, at.T):
        np.add.at(matrix, (np.arange(side), column), tap)
    return matrix


def _reduce(side: int) -> np.ndarray:
    """Returns the (side / 2, side) matrix that blurs and keeps every second entry."""
    return _blur(side)[::2]


def _expand(side: int) -> np.ndarray:
    """Returns the (2 side, side) matrix that puts zeros between entries and blurs, doubled."""
    return 2 * _blur(2 * side)[:, ::2]
