"""Boxes of an image at one size, with boxes that are known only inside a compiled step."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Size = tuple[int, int]
RATIO = (3 / 4, 4 / 3)  # of width to height; torchvision's RandomResizedCrop
TRIES = 10


def crop_and_resize(
    image: Float[Array, "*b h w c"],
    boxes: Float[Array, "*b 4"],
    size: Size,
    antialias: bool = True,
) -> Float[Array, "*b {size[0]} {size[1]} c"]:
    """Returns the part of each image in its box, bilinear, as torchvision crops and then resizes.

    Args:
        boxes: (left, top, right, bottom) in pixels, whole numbers; the last ones are not inside.
            Parts outside of the image are zero. A box is at most as long as the image.
        antialias: wider kernels where the crop becomes smaller, cut off at the crop's borders.
    """
    rows = weights(boxes[..., 1], boxes[..., 3], image.shape[-3], size[0], antialias)
    columns = weights(boxes[..., 0], boxes[..., 2], image.shape[-2], size[1], antialias)
    narrow = jnp.einsum("...yh,...hwc->...ywc", rows, image, precision="highest")
    return jnp.einsum("...xw,...ywc->...yxc", columns, narrow, precision="highest")


def weights(
    first: Float[Array, "*b"],
    last: Float[Array, "*b"],
    side: int,
    new: int,
    antialias: bool = True,
) -> Float[Array, "*b new side"]:
    """Returns what each pixel of an axis of `side` pixels gives to each of `new` pixels of the crop
    [first, last).
    """
    first = jnp.asarray(first, jnp.float32)[..., None, None]
    length = jnp.asarray(last, jnp.float32)[..., None, None] - first
    step = length / new
    centre = (jnp.arange(new, dtype=jnp.float32)[:, None] + 0.5) * step  # (*b, new, 1)
    pixel = jnp.arange(side, dtype=jnp.float32)[None]

    def kernel(inside):
        """Returns weights of pixels of the crop, counted from its first one."""
        if antialias:
            weight = jnp.maximum(1 - jnp.abs((inside + 0.5 - centre) / jnp.maximum(step, 1)), 0)
        else:
            weight = jnp.maximum(1 - jnp.abs(inside - jnp.clip(centre - 0.5, 0, length - 1)), 0)
        return jnp.where((inside >= 0) & (inside < length), weight, 0)

    whole = jnp.sum(kernel(pixel), -1, keepdims=True)  # also of the part outside of the image
    return kernel(pixel - first) / whole


def random_size(
    rng: jax.Array, low: Array | float, high: float, frame: tuple[int, int], count: int
) -> Int[Array, "{count} 2"]:
    """Returns sizes with a share of the frame's area in [low, high] and a ratio of width to height
    in 3/4..4/3 (log-uniform), as RandomResizedCrop: the first of ten draws that fits.
    """
    keys = jax.random.split(rng)
    shape, (height, width) = (TRIES, count), frame
    share = low + (high - low) * jax.random.uniform(keys[0], shape)
    log = jnp.log(jnp.array(RATIO))
    ratio = jnp.exp(jax.random.uniform(keys[1], shape, minval=log[0], maxval=log[1]))
    area = share * height * width
    across, down = jnp.round(jnp.sqrt(area * ratio)), jnp.round(jnp.sqrt(area / ratio))
    fits = (across > 0) & (across <= width) & (down > 0) & (down <= height)
    place = jnp.argmax(fits, 0)
    found = jnp.stack([down, across], -1)[place, jnp.arange(count)]
    limit = min(width, height * RATIO[1]), min(height, width / RATIO[0])
    whole = jnp.round(jnp.array([limit[1], limit[0]]))  # of the frame, where nothing fits
    return jnp.where(fits.any(0)[:, None], found, whole).astype(jnp.int32)


def random_boxes(
    rng: jax.Array, low: float, high: float, frame: Size, count: int
) -> Float[Array, "{count} 4"]:
    """Returns boxes with a share of the frame's area in [low, high], anywhere inside of it."""
    keys = jax.random.split(rng)
    size = random_size(keys[0], low, high, frame, count)
    room = jnp.array(frame) - size + 1
    first = jnp.floor(jax.random.uniform(keys[1], (count, 2)) * room).astype(jnp.int32)
    return jnp.concatenate([first[:, ::-1], (first + size)[:, ::-1]], -1).astype(jnp.float32)
