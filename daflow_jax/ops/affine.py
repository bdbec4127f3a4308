"""Affine views of a frame: matrices in pixels, views, their inverses, and what they cover.

A matrix (3, 3) takes a homogeneous pixel (x, y, 1) of the frame to the pixel of the view that shows
it. Pixel centres are integers, as everywhere (`ops.coords`).
"""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from daflow_jax.ops import coords, sample

Size = tuple[int, int]
TOLERANCE = 1e-3  # of a view of ones taken back (PooDLe's code, 7518934, src/models/flowe.py)


def about_centre(angle: ArrayLike, scale: ArrayLike, size: Size) -> Float[Array, "*b 3 3"]:
    """Returns the rotation by `angle` degrees (clockwise as seen) and enlargement by
    `scale` about the centre ((w - 1) / 2, (h - 1) / 2) of frames of `size` = (height, width).
    """
    turn = jnp.deg2rad(jnp.asarray(angle, jnp.float32))
    cos, sin = scale * jnp.cos(turn), scale * jnp.sin(turn)
    x, y = (size[1] - 1) / 2, (size[0] - 1) / 2
    zero = jnp.zeros_like(cos)
    rows = (
        (cos, -sin, x - cos * x + sin * y),
        (sin, cos, y - sin * x - cos * y),
        (zero, zero, zero + 1),
    )
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


def transform(
    matrix: Float[Array, "*b 3 3"], points: Float[Array, "*b h w 2"]
) -> Float[Array, "*b h w 2"]:
    """Returns points (x, y) of the frame as points of the view.

    Written out in sums: accelerators round products of matrices.
    """
    m = matrix[..., None, None, :, :]
    x, y = points[..., 0], points[..., 1]
    across = m[..., 0, 0] * x + m[..., 0, 1] * y + m[..., 0, 2]
    down = m[..., 1, 0] * x + m[..., 1, 1] * y + m[..., 1, 2]
    return jnp.stack([across, down], -1)


def inverse(matrix: Float[Array, "*b 3 3"]) -> Float[Array, "*b 3 3"]:
    """Returns the matrix from the view to the frame."""
    a, b, x = (matrix[..., 0, k] for k in range(3))
    c, d, y = (matrix[..., 1, k] for k in range(3))
    zero, one = jnp.zeros_like(a), jnp.ones_like(a)
    determinant = a * d - b * c
    rows = (
        (d / determinant, -b / determinant, (b * y - d * x) / determinant),
        (-c / determinant, a / determinant, (c * x - a * y) / determinant),
        (zero, zero, one),
    )
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


def view(
    image: Float[Array, "*b h w c"], matrix: Float[Array, "*b 3 3"]
) -> Float[Array, "*b h w c"]:
    """Returns the view of a frame, of the frame's size; zeros come in from outside."""
    grid = coords.pixel_grid(*image.shape[-3:-1])
    points = jnp.broadcast_to(grid, (*image.shape[:-3], *grid.shape))
    return sample.bilinear(image, transform(inverse(matrix), points))


def covered(
    matrix: Float[Array, "*b 3 3"], size: Size, tolerance: float = TOLERANCE
) -> Bool[Array, "*b h w"]:
    """Returns which pixels of the frame survive the way into the view and back: there, a view of
    ones is within `tolerance` of 1.
    """
    ones = jnp.ones((*matrix.shape[:-2], *size, 1), jnp.float32)
    grid = coords.pixel_grid(*size)
    points = jnp.broadcast_to(grid, (*matrix.shape[:-2], *grid.shape))
    back = sample.bilinear(view(ones, matrix), transform(matrix, points))
    return jnp.abs(back[..., 0] - 1) <= tolerance


def mirror(x: Float[Array, "b h w c"], flip: Bool[Array, " b"]) -> Float[Array, "b h w c"]:
    """Returns the images with left and right exchanged where `flip` is true."""
    return jnp.where(flip[:, None, None, None], x[:, :, ::-1], x)
