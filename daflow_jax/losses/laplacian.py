"""The Laplacian pyramid and the loss over its levels (Bojanowski et al. 2018; RIFE, eq. 6)."""

import jax.numpy as jnp
from jaxtyping import Array, Float

LEVELS = 5  # RIFE's code
SMALLEST = 48  # side of pictures whose last level can still be blurred
_TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def pyramid(x: Float[Array, "*b h w c"], levels: int = LEVELS) -> list[Float[Array, "*b y x c"]]:
    """Returns the bands of a picture, fine to coarse, without the low-pass remainder.

    Sides are multiples of 2^(levels - 1) and at least 3 2^(levels - 1).
    """
    least = 2 ** (levels - 1)
    if any(side % least or side < 3 * least for side in x.shape[-3:-1]):
        size = f"{x.shape[-2]}x{x.shape[-3]}"
        rule = f"picture is {size}; {levels} levels need multiples of {least}, from {3 * least} on"
        raise ValueError(f"{rule}; pad it or cut it")
    bands = []
    for _ in range(levels):
        down = _blur(x)[..., ::2, ::2, :]
        bands.append(x - 4 * _blur(_spread(down)))
        x = down
    return bands


def laplacian_loss(
    image: Float[Array, "*b h w c"], target: Float[Array, "*b h w c"]
) -> Float[Array, "*b"]:
    """Returns the sum over the bands of the mean absolute difference, one value a picture."""
    bands = pyramid(image.astype(jnp.float32) - target.astype(jnp.float32))  # linear
    return sum((jnp.mean(jnp.abs(band), (-3, -2, -1)) for band in bands), start=jnp.float32(0))


def _blur(x):
    """Returns x blurred by the outer product of the taps; pixels at the edge are not repeated."""
    for axis in (x.ndim - 3, x.ndim - 2):
        size = x.shape[axis]
        around = [(2, 2) if a == axis else (0, 0) for a in range(x.ndim)]
        wide = jnp.pad(x, around, mode="reflect")
        cuts = ((slice(None),) * axis + (slice(i, i + size),) for i in range(5))
        x = sum((tap * wide[cut] for tap, cut in zip(_TAPS, cuts)), start=jnp.float32(0))
    return x


def _spread(x):
    """Returns x on the even rows and columns of a picture twice as large, zeros elsewhere."""
    for axis in (x.ndim - 3, x.ndim - 2):
        shape = (*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])
        x = jnp.stack([x, jnp.zeros_like(x)], axis + 1).reshape(shape)
    return x
