"""All-pairs correlation and its windowed look-up (RAFT, sec. 3.2)."""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LOOKUPS = ("gather", "matmul")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Pyramid:
    """Correlation of every query pixel with every pixel of the other frame, level by level.

    levels: (p, spare + h*w + spare, h/2^l, w/2^l) float32.
    spare: all-zero queries before and after the real ones, where `lookup_gather` may read beside
        the first and the last image without leaving the array.
    """

    levels: tuple
    spare: int = dataclasses.field(metadata=dict(static=True))


SPARE = 8  # queries; 8 images of at least 2 x 2 hold the widest window row (10 at radius 4)


def pool(fmap: Float[Array, "p h w c"]) -> Float[Array, "p h//2 w//2 c"]:
    """Returns the 2 x 2 mean; an odd last row or column is dropped (PyTorch's avg_pool2d)."""
    h, w = fmap.shape[1] // 2 * 2, fmap.shape[2] // 2 * 2
    rows = fmap[:, 0:h:2] + fmap[:, 1:h:2]
    return (rows[:, :, 0:w:2] + rows[:, :, 1:w:2]) * 0.25


def pyramid(
    fmap1: Float[Array, "p h w c"],
    fmap2: Float[Array, "p h w c"],
    num_levels: int = 4,
    spare: int = 0,
) -> Pyramid:
    """Returns <fmap1, fmap2> / sqrt(c) for all pairs of pixels, pooled `num_levels` - 1 times.

    Pooling the features gives the same values as pooling the volume: both are linear.
    """
    p, h, w, c = fmap1.shape
    queries = fmap1.reshape(p, h * w, c) / jnp.sqrt(jnp.asarray(c, fmap1.dtype))
    queries = jnp.pad(queries, ((0, 0), (spare, spare), (0, 0)))
    levels = []
    for level in range(num_levels):
        fmap2 = pool(fmap2) if level else fmap2
        levels.append(
            jnp.einsum("pnc,phwc->pnhw", queries, fmap2, preferred_element_type=jnp.float32)
        )
    return Pyramid(tuple(levels), spare)


def pyramid_for(
    implementation: str,
    fmap1: Float[Array, "p h w c"],
    fmap2: Float[Array, "p h w c"],
    num_levels: int = 4,
) -> Pyramid:
    """Returns `pyramid` in float32, as published, with what the named look-up needs."""
    spare = SPARE if implementation == "gather" else 0
    return pyramid(fmap1.astype(jnp.float32), fmap2.astype(jnp.float32), num_levels, spare)


def add(first: Pyramid, second: Pyramid) -> Pyramid:
    """Returns the sum of two pyramids of the same shape (DA-Flow: image plus query-key)."""
    return Pyramid(tuple(a + b for a, b in zip(first.levels, second.levels)), first.spare)


def scale(corr: Pyramid, factor: float) -> Pyramid:
    """Returns `corr` times a number."""
    return Pyramid(tuple(level * factor for level in corr.levels), corr.spare)


def lookup_matmul(
    corr: Pyramid, coords: Float[Array, "p h w 2"], radius: int = 4
) -> Float[Array, "p h w {len(corr.levels)*(2*radius+1)**2}"]:
    """Returns what `lookup_gather` returns, by two small matrix products per level.

    Bilinear sampling is a product with hat functions max(0, 1 - |x - u|) along each axis. No
    gather, so the gradient needs no scatter: the form for TPU, and for training anywhere.
    """
    p, h, w, _ = coords.shape
    out = []
    for level, volume in enumerate(corr.levels):
        volume = volume[:, corr.spare : corr.spare + h * w]
        across, down = hat_weights(coords, level, radius, volume.shape[2:])
        rows = jnp.einsum("pnbv,pnvu->pnbu", down, volume)
        out.append(jnp.einsum("pnau,pnbu->pnab", across, rows).reshape(p, h, w, -1))
    return jnp.concatenate(out, axis=-1)


def hat_weights(
    coords: Float[Array, "p h w 2"], level: int, radius: int, size: tuple[int, ...]
) -> tuple[Float[Array, "p n s u"], Float[Array, "p n s v"]]:
    """Returns the bilinear weights of a window's columns and rows, s = 2 * radius + 1 each."""
    p, h, w, _ = coords.shape
    centre = coords.reshape(p, h * w, 2) / 2**level
    offsets = jnp.arange(-radius, radius + 1, dtype=jnp.float32)[:, None]
    across, down = (
        jnp.maximum(0.0, 1 - jnp.abs(centre[..., axis, None, None] + offsets - jnp.arange(length)))
        for axis, length in ((0, size[1]), (1, size[0]))
    )
    return across, down


def volume_gradient(
    corr: Pyramid, coords: Float[Array, "m p h w 2"], grads: Float[Array, "m p h w k"]
) -> Pyramid:
    """Returns the gradient of `corr` under m look-ups at `coords` whose results have `grads`.

    One product per level over all look-ups and offsets, in place of one scatter per look-up.
    """
    m, p, h, w, k = grads.shape
    side = math.isqrt(k // len(corr.levels))
    grads = grads.astype(jnp.float32).reshape(m, p, h * w, len(corr.levels), side, side)
    levels = []
    for level, volume in enumerate(corr.levels):
        size = volume.shape[2:]
        weights = [hat_weights(c, level, side // 2, size) for c in coords]
        across, down = (jnp.stack(axis, axis=2) for axis in zip(*weights))  # (p, n, m, s, size)
        rows = jnp.einsum("pnmau,mpnab->pnmbu", across, grads[:, :, :, level])
        pooled = jnp.einsum("pnmbv,pnmbu->pnvu", down, rows)
        levels.append(jnp.pad(pooled, ((0, 0), (corr.spare, corr.spare), (0, 0), (0, 0))))
    return Pyramid(tuple(levels), corr.spare)


def lookup_gather(
    corr: Pyramid, coords: Float[Array, "p h w 2"], radius: int = 4
) -> Float[Array, "p h w {len(corr.levels)*(2*radius+1)**2}"]:
    """Returns the correlations in a (2r+1) x (2r+1) window around `coords` in every level.

    Channels: level, then x offset, then y offset: the order that the released weights expect. All
    samples of a window share one fractional part, so one integer window is cut out and blended.

    Args:
        corr: built with `spare = SPARE`.
        coords: (x, y) in pixels of level 0; anywhere, zero outside the image.
    """
    if corr.spare < SPARE:
        raise ValueError(
            f"lookup_gather: the pyramid has {corr.spare} spare queries and needs {SPARE}; build "
            "it with spare=SPARE"
        )
    p, h, w, _ = coords.shape
    coords = coords.reshape(p, h * w, 2)
    out = []
    for level, volume in enumerate(corr.levels):
        centre = coords / 2**level
        whole = jnp.floor(centre)
        window = _windows(volume, corr.spare, whole.astype(jnp.int32) - radius, 2 * radius + 2)
        x, y = jnp.moveaxis((centre - whole)[..., None, None], 2, 0)
        rows = window[:, :, :-1] * (1 - y) + window[:, :, 1:] * y
        both = rows[..., :-1] * (1 - x) + rows[..., 1:] * x
        out.append(both.swapaxes(2, 3).reshape(p, h, w, -1))
    return jnp.concatenate(out, axis=-1)


def _windows(volume, spare, start, side):
    """Cuts a (side, side) window at `start` (x, y) out of each real query's image, zero outside.

    A row that begins before or ends behind its image row is read on into the neighbouring memory,
    and what is not its own is set to zero: no margin has to be stored around the images.
    """
    p, n, h, w = volume.shape
    x = jnp.clip(start[..., 0], -side, w)[..., None]
    rows = start[..., 1, None] + jnp.arange(side)  # (p, n, side)
    query = spare + jnp.arange(n - 2 * spare)[:, None]
    first = (query * h + jnp.clip(rows, 0, h - 1)) * w + x
    index = jnp.stack([jnp.broadcast_to(jnp.arange(p)[:, None, None], first.shape), first], -1)
    numbers = jax.lax.GatherDimensionNumbers(
        offset_dims=(3,), collapsed_slice_dims=(0,), start_index_map=(0, 1)
    )
    mode = jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS
    flat = volume.reshape(p, n * h * w)
    window = jax.lax.gather(flat, index, numbers, (1, side), mode=mode)
    columns = x + jnp.arange(side)
    inside = (0 <= rows[..., None]) & (rows[..., None] < h)
    inside &= ((0 <= columns) & (columns < w))[..., None, :]
    return jnp.where(inside, window, 0.0)


def lookup(
    corr: Pyramid, coords: Float[Array, "p h w 2"], radius: int, implementation: str
) -> Float[Array, "p h w {len(corr.levels)*(2*radius+1)**2}"]:
    """Returns the look-up by the named implementation, "gather" or "matmul" (same values)."""
    if implementation == "gather":
        return lookup_gather(corr, coords, radius)
    if implementation == "matmul":
        return lookup_matmul(corr, coords, radius)
    raise ValueError(f"lookup is {implementation!r}; it must be one of {LOOKUPS}")
