"""Windows of feature maps, and the code of a place inside of one."""

import numpy as np
from jaxtyping import Array, Float


def split(x: Float[Array, "b h w c"], count: int) -> Float[Array, "n t c"]:
    """Returns the tokens of count x count windows of each map, window by window."""
    b, h, w, c = x.shape
    x = x.reshape(b, count, h // count, count, w // count, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b * count * count, -1, c)


def merge(
    x: Float[Array, "n t c"], count: int, size: tuple[int, int]
) -> Float[Array, "b {size[0]} {size[1]} c"]:
    """Undoes `split`, of maps of (height, width)."""
    h, w = size
    x = x.reshape(-1, count, count, h // count, w // count, x.shape[-1])
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, h, w, x.shape[-1])


def shift(size: tuple[int, int], count: int) -> tuple[int, int]:
    """Returns by how many rows and columns every second block moves its windows: half of one."""
    return size[0] // count // 2, size[1] // count // 2


def regions(size: tuple[int, int], count: int) -> np.ndarray:
    """Returns (count * count, tokens): which part of the map each token of the moved windows is
    from; tokens of two parts do not see each other (Swin Transformer).
    """
    parts = []
    for side, moved in zip(size, shift(size, count)):
        window = side // count
        place = np.arange(side)
        parts.append((place >= side - window).astype(int) + (place >= side - moved))
    ids = parts[0][:, None] * 3 + parts[1][None]
    tiled = ids.reshape(count, size[0] // count, count, size[1] // count)
    return tiled.transpose(0, 2, 1, 3).reshape(count * count, -1)


def positions(size: tuple[int, int], count: int, channels: int) -> np.ndarray:
    """Returns (h, w, channels) sines and cosines of the place in the window, rows before columns.

    Places are numbered from 1 and scaled to 2 pi at the window's end (DETR's normalised code).
    """
    half = channels // 2
    wave = 10_000.0 ** (2 * (np.arange(half) // 2) / half)
    codes = []
    for side in size:
        window = side // count
        angle = np.arange(1, window + 1) / (window + 1e-6) * 2 * np.pi
        angle = angle[:, None] / wave
        code = np.where(np.arange(half) % 2 == 0, np.sin(angle), np.cos(angle))
        codes.append(np.tile(code, (count, 1)))
    rows, columns = codes
    shape = (*size, half)
    both = np.broadcast_to(rows[:, None], shape), np.broadcast_to(columns[None], shape)
    return np.concatenate(both, axis=-1).astype(np.float32)
