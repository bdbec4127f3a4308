"""Features of augmented views on the pixels of a frame, directly or where its flow points.

FlowE (Xiong et al., ICCV 2021) and PooDLe (ICLR 2025, arXiv 2408.11208) compare cells of two views
through the flow between their frames. Flow is known on pixels of the frame, features on cells of
the view: with A the view's matrix, the other frame's feature of pixel x lies at A(x + flow(x)).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from daflow_jax.ops import affine, coords, sample


class View(NamedTuple):
    """matrix: pixels of the frame to those of the view before it is mirrored. flip: whether it is
    mirrored. covered: pixels of the frame that the view shows (`affine.covered`).
    """

    matrix: Float[Array, "b 3 3"]
    flip: Bool[Array, " b"]
    covered: Bool[Array, "b h w"]


def make(matrix: Float[Array, "b 3 3"], flip: Bool[Array, " b"], size: tuple[int, int]) -> View:
    """Returns the view of frames of `size` = (height, width)."""
    return View(matrix, flip, affine.covered(matrix, size))


def points(size: tuple[int, int], every: int = 1) -> Float[Array, "y x 2"]:
    """Returns the pixels (x, y) that are compared: the middle one of every `every` by `every`."""
    first = (every - 1) // 2
    return coords.pixel_grid(*size)[first::every, first::every]


def on_pixels(
    cells: Float[Array, "b gh gw c"], flip: Bool[Array, " b"], size: tuple[int, int]
) -> Float[Array, "b h w c"]:
    """Returns a map of cells, unmirrored, on the pixels of its view: bilinear, half-pixel
    centres.
    """
    shape = (len(cells), *size, cells.shape[-1])
    return jax.image.resize(affine.mirror(cells, flip), shape, "linear", antialias=False)


def at_frame(
    pixels: Float[Array, "b h w c"], view: View, where: Float[Array, "y x 2"]
) -> Float[Array, "b y x c"]:
    """Returns features of a view (`on_pixels`) at the pixels `where` of its own frame."""
    spread = jnp.broadcast_to(where, (len(pixels), *where.shape))
    return sample.bilinear(pixels, affine.transform(view.matrix, spread))


def along_flow(
    pixels: Float[Array, "b h w c"],
    view: View,
    flow: Float[Array, "b h w 2"],
    where: Float[Array, "y x 2"],
    order: str = "exact",
) -> Float[Array, "b y x c"]:
    """Returns features of the other frame's view at the pixels `where` of this frame.

    Args:
        flow: pixels of this frame to the other frame, in pixels.
        order: "exact" reads once, at A(x + flow(x)). "as_published" (PooDLe's code, 7518934) moves
            by the flow in the view, with `mixed_corners`, and undoes the view afterwards: up to 90
            px off at 10 degrees and 512 x 1024 pixels.
    """
    if order == "exact":
        landing = where + sample.bilinear(flow, _spread(where, len(flow)))
        return sample.bilinear(pixels, affine.transform(view.matrix, landing))
    if order == "as_published":
        size = pixels.shape[1], pixels.shape[2]
        landing = coords.pixel_grid(*size) + flow
        moved = sample.bilinear(pixels, mixed_corners(landing, size))
        return at_frame(moved, view, where)
    raise ValueError(f"order is {order!r}; write 'exact' or 'as_published'")


def mixed_corners(points: Float[Array, "*b 2"], size: tuple[int, int]) -> Float[Array, "*b 2"]:
    """Returns where a sampler looks that is given coordinates for aligned corners and reads them
    for unaligned ones: u w / (w - 1) - 1/2, half a pixel off at the borders.
    """
    height, width = size
    factor = jnp.array([width / (width - 1), height / (height - 1)], jnp.float32)
    return points * factor - 0.5


def landing_known(
    flow: Float[Array, "b h w 2"], view: View, where: Float[Array, "y x 2"]
) -> Bool[Array, "b y x"]:
    """Returns where `where + flow` lies inside the other frame, in a part that its view shows."""
    height, width = flow.shape[1:3]
    landing = where + sample.bilinear(flow, _spread(where, len(flow)))
    shown = sample.bilinear(view.covered[..., None].astype(jnp.float32), landing)[..., 0]
    return inside(landing, (height, width)) & (shown > 1 - affine.TOLERANCE)


def inside(landing: Float[Array, "*b 2"], size: tuple[int, int]) -> Bool[Array, "*b"]:
    """Returns whether (x, y) lies between the outermost pixel centres, or on one."""
    x, y = landing[..., 0], landing[..., 1]
    return (x >= 0) & (x <= size[1] - 1) & (y >= 0) & (y <= size[0] - 1)


def at(mask: Bool[Array, "b h w"], where: Float[Array, "y x 2"]) -> Bool[Array, "b y x"]:
    """Returns a mask of pixels at `where`, which are whole pixels."""
    index = where.astype(jnp.int32)
    return mask[:, index[..., 1], index[..., 0]]


def _spread(where, count):
    return jnp.broadcast_to(where, (count, *where.shape))
