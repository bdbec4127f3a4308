"""Where a cell of one crop of a frame lies among the cells of another one."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def centres(
    boxes: Float[Array, "b 4"], flip: Bool[Array, " b"], grid: tuple[int, int]
) -> Float[Array, "b n 2"]:
    """Returns the points (x, y) of the frame, in units of pixels from its corner, at the centres of
    the cells of crops: rows first, mirrored where `flip` is true.
    """
    rows, columns = grid
    x = (jnp.arange(columns) + 0.5) / columns
    y = (jnp.arange(rows) + 0.5) / rows
    x = jnp.where(flip[:, None], 1 - x, x)  # (b, columns)
    left, top, right, bottom = (boxes[:, k, None] for k in range(4))
    across = jnp.broadcast_to((left + x * (right - left))[:, None], (len(boxes), rows, columns))
    down = jnp.broadcast_to((top + y * (bottom - top))[:, :, None], across.shape)
    return jnp.stack([across, down], -1).reshape(len(boxes), -1, 2)


def locate(
    points: Float[Array, "b n 2"],
    boxes: Float[Array, "b 4"],
    flip: Bool[Array, " b"],
    grid: tuple[int, int],
) -> tuple[Float[Array, "b n 2"], Bool[Array, "b n"]]:
    """Returns the place (x, y) of points of the frame in cells of a crop, cell centres at whole
    numbers, and whether they are inside of it.
    """
    first, last = boxes[:, None, :2], boxes[:, None, 2:]
    share = (points - first) / (last - first)
    inside = jnp.all((share >= 0) & (share < 1), -1)
    across = jnp.where(flip[:, None], 1 - share[..., 0], share[..., 0])
    place = jnp.stack([across * grid[1], share[..., 1] * grid[0]], -1) - 0.5
    return place, inside


def nearest(place: Float[Array, "b n 2"], grid: tuple[int, int]) -> Int[Array, "b n"]:
    """Returns the number of the cell nearest to each place."""
    last = jnp.array([grid[1] - 1, grid[0] - 1])
    cell = jnp.clip(jnp.round(place), 0, last).astype(jnp.int32)
    return cell[..., 1] * grid[1] + cell[..., 0]


def distance(
    cell: Int[Array, "b n"], place: Float[Array, "b n 2"], grid: tuple[int, int]
) -> Float[Array, "b n"]:
    """Returns how many cells a numbered cell is from a place, along the worse axis."""
    at = jnp.stack([cell % grid[1], cell // grid[1]], -1)
    return jnp.max(jnp.abs(at - place), -1)
