"""Counter-based random numbers that are the same bits in numpy and in jax.numpy."""

from typing import Any

import numpy as np

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def threefry2x32(key: tuple[Any, Any], counter: tuple[Any, Any], xp: Any = np) -> tuple[Any, Any]:
    """Returns two uint32 arrays of random bits (Salmon et al. 2011, Threefry-2x32, 20 rounds).

    `key` and `counter` are pairs of uint32 arrays that broadcast; `xp` is numpy or jax.numpy.
    """
    keys = (key[0], key[1], key[0] ^ key[1] ^ xp.asarray(_PARITY))
    x0, x1 = counter[0] + keys[0], counter[1] + keys[1]
    for block in range(5):
        for distance in _ROTATIONS[block % 2]:
            x0 = x0 + x1
            x1 = (x1 << np.uint32(distance)) | (x1 >> np.uint32(32 - distance))
            x1 = x0 ^ x1
        x0 = x0 + keys[(block + 1) % 3]
        x1 = x1 + keys[(block + 2) % 3] + np.uint32(block + 1)
    return x0, x1


def uniform(seed: Any, index: Any, count: int, xp: Any = np) -> Any:
    """Returns float32 (count,) in [0, 1), a function of the two integers (modulo 2^32) alone."""
    key = (_word(seed, xp), _word(index, xp))
    half = (count + 1) // 2
    counter = (xp.arange(half, dtype=xp.uint32), xp.zeros(half, xp.uint32))
    bits = xp.concatenate(threefry2x32(key, counter, xp))[:count]
    return (bits >> np.uint32(8)).astype(xp.float32) * np.float32(2.0**-24)


def _word(value: Any, xp: Any) -> Any:
    """Returns a (1,) uint32 array: numpy warns about wrapping scalars, never about arrays."""
    if isinstance(value, int | np.integer):
        value = np.uint32(int(value) % 2**32)
    return xp.asarray(value).astype(xp.uint32).reshape(1)
