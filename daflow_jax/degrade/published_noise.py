"""The noise of the published denoising tests on DAVIS and Set8, without PyTorch.

They reset PyTorch's CPU generator to a seed for every clip and draw once over (t, 3, h, w). That
generator is MT19937 with 24 bits a number and a Box-Muller transform in blocks of 16.
"""

import numpy as np

_BLOCK, _HALF = 16, 8


def normal(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Returns float32 standard normals: the first draw of `torch.randn` of this shape on a CPU.

    Raises ValueError for fewer than 16 values, which PyTorch draws by another rule.
    """
    count = int(np.prod(shape))
    if count < _BLOCK:
        raise ValueError(f"{count} values; the rule holds for 16 or more; draw them together")
    rest = _BLOCK if count % _BLOCK else 0
    drawn = uniform(count + rest, seed)
    out = np.empty(count, np.float32)
    whole = count - count % _BLOCK
    out[:whole] = _box_muller(drawn[:whole])
    if rest:  # fresh numbers rewrite the last block
        out[-_BLOCK:] = _box_muller(drawn[count:])
    return out.reshape(shape)


def uniform(count: int, seed: int = 0) -> np.ndarray:
    """Returns float32 numbers in [0, 1) with 24 random bits each."""
    words = np.frombuffer(np.random.RandomState(seed).bytes(4 * count), "<u4")
    return (words & 0xFFFFFF).astype(np.float32) / np.float32(2**24)


def _box_muller(drawn: np.ndarray) -> np.ndarray:
    pairs = drawn.reshape(-1, 2, _HALF).astype(np.float64)
    radius, angle = np.sqrt(-2 * np.log1p(-pairs[:, 0])), 2 * np.pi * pairs[:, 1]
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return both.astype(np.float32).ravel()


def of_clip(shape: tuple[int, int, int, int], sigma: float | int, seed: int = 0) -> np.ndarray:
    """Returns the noise (t, h, w, 3) of a clip, in units of the range.

    Args:
        shape: (t, h, w, 3). sigma: grey levels of 255.
    """
    t, h, w, channels = shape
    drawn = normal((t, channels, h, w), seed)
    return drawn.transpose(0, 2, 3, 1) * np.float32(sigma / 255)
