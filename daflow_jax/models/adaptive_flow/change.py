"""The change of a network's weights, kernels in two factors (Hu et al., LoRA, ICLR 2022)."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax.typing import DTypeLike

Tree = Any  # nested dicts of arrays
DOWN, UP = ".down", ".up"


def is_factored(shape: tuple[int, ...], rank: int) -> bool:
    """Returns whether two factors of a rank hold fewer numbers than a weight of this shape."""
    rows, columns = _sides(shape)
    return rank * (rows + columns) < rows * columns


class Change(nn.Module):
    """What is added to weights; a new one adds nothing."""

    rank: int
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, weights: Tree) -> Tree:
        """Returns a tree of the shapes of `weights`."""
        flat: dict[str, Any] = traverse_util.flatten_dict(weights, sep=".")
        found = {name: self._of(name, x.shape) for name, x in flat.items()}
        return traverse_util.unflatten_dict(found, sep=".")

    def _of(self, name: str, shape: tuple[int, ...]) -> jax.Array:
        zeros = nn.initializers.zeros
        if not is_factored(shape, self.rank):
            return self.param(name, zeros, shape, self.param_dtype)
        rows, columns = _sides(shape)
        normal = nn.initializers.normal(rows**-0.5)
        down = self.param(name + DOWN, normal, (rows, self.rank), self.param_dtype)
        up = self.param(name + UP, zeros, (self.rank, columns), self.param_dtype)
        wide = jnp.promote_types(down.dtype, jnp.float32)  # factors of 16 bits are only stored so
        product = jnp.matmul(down.astype(wide), up.astype(wide), precision="highest")
        return product.reshape(shape)


def between(before: Tree, after: Tree, rank: int) -> dict[str, np.ndarray]:
    """Returns the parameters of the `Change` that is nearest to `after - before`, float32.

    The singular values of a difference are shared evenly by its factors.
    """
    old = traverse_util.flatten_dict(before, sep=".")
    found = {}
    for name, new in traverse_util.flatten_dict(after, sep=".").items():
        difference = np.asarray(new, np.float32) - np.asarray(old[name], np.float32)
        if not is_factored(difference.shape, rank):
            found[name] = difference
            continue
        matrix = difference.reshape(-1, difference.shape[-1])
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        root = np.sqrt(values[:rank])
        found[name + DOWN], found[name + UP] = left[:, :rank] * root, root[:, None] * right[:rank]
    return found


def _sides(shape: tuple[int, ...]) -> tuple[int, int]:
    return math.prod(shape[:-1]), shape[-1] if shape else 1
