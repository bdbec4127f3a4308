"""Reading an image between its pixels."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Border = Literal["zeros", "edge"]


def bilinear(
    image: Float[Array, "*b h w c"],
    coords: Float[Array, "*b y x 2"],
    border: Border = "zeros",
) -> Float[Array, "*b y x c"]:
    """Returns `image` at `coords`, (x, y) in pixels, blended from the four pixels around.

    Args:
        border: "zeros" reads zero outside the image and so fades over the last pixel (as RAFT
            does); "edge" repeats the border pixels.
    """
    if border not in ("zeros", "edge"):
        raise ValueError(f"border is {border!r}; it must be 'zeros' or 'edge'; choose one")
    batch, (height, width, channels) = image.shape[:-3], image.shape[-3:]
    points = coords.shape[-3:-1]
    flat = image.reshape(-1, height * width, channels)
    xy = coords.reshape(-1, points[0] * points[1], 2).astype(jnp.float32)
    if border == "edge":
        last = jnp.broadcast_to(jnp.array([width - 1, height - 1], jnp.float32), xy.shape)
        xy = jax.lax.clamp(jnp.zeros_like(xy), xy, last)  # no gradient where it clamps, ties too
    read = jax.vmap(lambda pixels, at: _four_taps(pixels, at, height, width))
    return read(flat, xy).reshape(*batch, *points, channels)


def _four_taps(
    pixels: Float[Array, "hw c"], xy: Float[Array, "n 2"], height: int, width: int
) -> Float[Array, "n c"]:
    corner = jnp.floor(xy)
    part = (xy - corner).astype(pixels.dtype)
    total = jnp.zeros((xy.shape[0], pixels.shape[1]), pixels.dtype)
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = corner[:, 0] + dx, corner[:, 1] + dy
            known = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            index = jnp.where(known, y * width + x, 0).astype(jnp.int32)
            across, down = (part if near else 1 - part for near in (dx, dy))
            weight = across[:, 0] * down[:, 1]
            total += pixels[index] * jnp.where(known, weight, 0)[:, None]
    return total


def inside(coords: Float[Array, "*b 2"], height: int, width: int) -> Bool[Array, "*b"]:
    """Returns whether (x, y) lies strictly between the outermost pixel centres."""
    x, y = coords[..., 0], coords[..., 1]
    return (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
