"""Weights of a model folder in 8 bits: kernels as int8 with one scale for every output channel.

An array of n dimensions, the last of which counts output channels, is stored as `name` (int8) and
`name` + SCALE (float32, the channels): value = scale * integer, scale = largest magnitude / 127.
Reading a folder makes float32 of them, so everything else knows nothing of it: files are a quarter
as large, memory while running is that of any other folder.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from daflow_jax import errors

SCALE = ".scale"
LARGEST = 127
LEAST = 4096  # [choice] elements: smaller arrays stay as they are, they weigh nothing
INT8 = np.dtype(np.int8)


def is_kernel(name: str, shape: tuple[int, ...]) -> bool:
    """Returns whether an array of a folder is stored in 8 bits: a large kernel that is learned."""
    is_learned = name.startswith("params/") and name.endswith("kernel")
    return is_learned and len(shape) > 1 and int(np.prod(shape)) >= LEAST


def is_scale(name: str) -> bool:
    """Returns whether an array of a folder holds the scales of another."""
    return name.endswith("kernel" + SCALE)


def layout(plain: Mapping[str, tuple[Any, tuple[int, ...]]]) -> dict[str, Any]:
    """Returns name -> dtype, shape of a folder whose kernels are int8.

    Raises UserError for a model without one.
    """
    out: dict[str, Any] = {}
    for name, (dtype, shape) in plain.items():
        out[name] = (INT8, shape) if is_kernel(name, shape) else (dtype, shape)
        if is_kernel(name, shape):
            out[name + SCALE] = np.dtype(np.float32), shape[-1:]
    if len(out) == len(plain):
        rule = f"this model has no kernel of {LEAST} weights or more that it could be for"
        raise errors.UserError("--dtype int8", rule, "Use bfloat16")
    return out


def rounded(name: str, kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (int8, scales); raises UserError for weights that are not finite."""
    kernel = np.asarray(kernel, np.float32)
    largest = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
    if not np.isfinite(largest).all():
        rule = f"{name} holds weights that are not finite"
        raise errors.UserError("--dtype int8", rule, "Export another checkpoint")
    scale = np.where(largest > 0, largest / LARGEST, 1).astype(np.float32)
    return np.rint(kernel / scale).clip(-LARGEST, LARGEST).astype(np.int8), scale


class Rounder:
    """Rounds the arrays of a folder, one in memory at a time, and knows what that did.

    Attributes:
        changed, held: sums over the rounded weights of the squares of what they were changed by,
            and of themselves.
    """

    def __init__(self):
        self.changed = self.held = 0.0

    def arrays(self, plain: Iterable[tuple[str, np.ndarray]]) -> Iterator[tuple[str, np.ndarray]]:
        """Yields the arrays in the order of `layout`."""
        for name, array in plain:
            if not is_kernel(name, array.shape):
                yield name, array
                continue
            exact = np.asarray(array, np.float32)
            integers, scale = rounded(name, exact)
            self.changed += float(np.square(integers * scale - exact).sum(dtype=np.float64))
            self.held += float(np.square(exact).sum(dtype=np.float64))
            yield name, integers
            yield name + SCALE, scale

    @property
    def error(self) -> float:
        """Root mean square of the changes over that of the weights, after all were taken."""
        return (self.changed / self.held) ** 0.5 if self.held else 0.0


def restored(flat: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays of a folder with float32 in place of int8 and scales."""
    out = dict(flat)
    for name, array in flat.items():
        scale = flat.get(name + SCALE)
        if array.dtype == INT8 and scale is not None and scale.shape == array.shape[-1:]:
            out[name] = array * out.pop(name + SCALE)
    return out
