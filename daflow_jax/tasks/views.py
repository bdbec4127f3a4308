"""Random views of frames for self-supervised tasks: colours, affine maps, mirrors."""

from typing import NamedTuple

import jax
from jaxtyping import Array, Float

from daflow_jax.ops import affine, dense_views, photometric


class Range(NamedTuple):
    """How far views go: degrees to either side, relative enlargement, share that is mirrored."""

    rotation: float
    scale: float
    flip: float


def draw(
    rng: jax.Array, images: Float[Array, "b h w 3"], by: Range
) -> tuple[Float[Array, "b h w 3"], dense_views.View]:
    """Returns a view of every image, and where its pixels lie."""
    keys, count, size = jax.random.split(rng, 3), len(images), (images.shape[1], images.shape[2])
    angle = jax.random.uniform(keys[0], (count,), minval=-by.rotation, maxval=by.rotation)
    scale = jax.random.uniform(keys[1], (count,), minval=1 - by.scale, maxval=1 + by.scale)
    flip = jax.random.uniform(keys[2], (count,)) < by.flip
    view = dense_views.make(affine.about_centre(angle, scale, size), flip, size)
    seen = affine.view(images, view.matrix) if by.rotation or by.scale else images
    return affine.mirror(seen, flip), view


def colored(
    rng: jax.Array, images: Float[Array, "b h w 3"], strength: float, by: photometric.Jitter
) -> Float[Array, "b h w 3"]:
    """Returns the images with `by` at a strength: 1 as it is, 0 not at all."""
    if not strength:
        return images
    changed = {
        n: strength * getattr(by, n) for n in ("brightness", "contrast", "saturation", "hue")
    }
    return photometric.jitter(rng, images, by._replace(**changed))


def blur_size(size: tuple[int, int], share: float = 0.05) -> int:
    """Returns the odd kernel that FlowE takes in its crops of 512 x 1024: 51 pixels of 1024."""
    return photometric.relative_size(max(size), share)
