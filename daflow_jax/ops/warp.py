"""Bringing one frame onto the grid of another."""

from jaxtyping import Array, Float

from daflow_jax.ops import coords, sample


def warp(
    image: Float[Array, "*b h w c"],
    flow: Float[Array, "*b h w 2"],
    border: sample.Border = "zeros",
) -> Float[Array, "*b h w c"]:
    """Returns `image` read where `flow` points: frame 2 on the grid of frame 1 (backward warp).

    Args:
        flow: pixels, from the grid of the result into `image`.
        border: what stands outside `image`, see `sample.bilinear`.
    """
    grid = coords.pixel_grid(flow.shape[-3], flow.shape[-2])
    return sample.bilinear(image, grid + flow, border)
