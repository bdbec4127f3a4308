"""A clip and its flow at another size, for estimation from coarse to fine."""

import jax.numpy as jnp
from einops import reduce
from jax.image import resize  # by itself: converters replace `jax.image.resize` by less
from jaxtyping import Array, Bool, Float


def images_at(
    images: Float[Array, "*b h w c"], size: tuple[int, int]
) -> Float[Array, "*b {size[0]} {size[1]} c"]:
    """Returns images at `size` = (height, width), bilinear, smoothed where it is smaller."""
    if images.shape[-3:-1] == tuple(size):
        return images
    return resize(images, (*images.shape[:-3], *size, images.shape[-1]), "linear")


def flow_at(
    flow: Float[Array, "*b h w 2"], size: tuple[int, int]
) -> Float[Array, "*b {size[0]} {size[1]} 2"]:
    """Returns flow at `size` = (height, width), in the pixels of that size."""
    height, width = flow.shape[-3:-1]
    return images_at(flow, size) * jnp.array([size[1] / width, size[0] / height], flow.dtype)


def target_at(
    flow: Float[Array, "*b h w 2"], valid: Bool[Array, "*b h w"], size: tuple[int, int]
) -> tuple[Float[Array, "*b {size[0]} {size[1]} 2"], Bool[Array, "*b {size[0]} {size[1]}"]]:
    """Returns a true flow at a smaller size and where all that it is made of is valid."""
    known = images_at(valid[..., None].astype(jnp.float32), size)[..., 0] > 1 - 1e-3
    return flow_at(jnp.where(valid[..., None], flow, 0.0), size), known


def start_of(flow: Float[Array, "*b h w 2"], stride: int) -> Float[Array, "*b hl wl 2"]:
    """Returns the flow that a refinement starts from: means over `stride` x `stride` pixels, in the
    pixels of their own grid."""
    i = stride
    return reduce(flow, "... (h i) (w j) c -> ... h w c", "mean", i=i, j=i) / stride
