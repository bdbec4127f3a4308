"""Functions of rows, block by block where that is faster: on one CPU, whose cache holds a block."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from daflow_jax.sharding import axes


def by_blocks(function: Callable[[Any], jax.Array], rows: Any, block: int) -> jax.Array:
    """Returns `function(rows)`, where every row of the result depends on its own row alone.

    On one CPU it is computed for `block` rows after another, so that what lies between stays in
    the cache, and once more for the gradient, which keeps no more than `rows`; elsewhere, and on a
    mesh, for all rows at once.

    Args:
        function: from a tree like `rows` to an array with the same number of rows.
        rows: tree of arrays whose leading axes are equal.
        block: rows at once; the last block is filled up with zeros.
    """
    count = len(jax.tree.leaves(rows)[0])
    mesh = axes.mesh()
    if count <= block or (mesh is not None and mesh.size > 1):
        return function(rows)
    blocks = functools.partial(_one_after_another, function, block)
    return jax.lax.platform_dependent(rows, cpu=blocks, default=function)


def _one_after_another(function, block, rows):
    count = len(jax.tree.leaves(rows)[0])
    missing = -count % block

    def split(x):
        filled = jnp.pad(x, ((0, missing), *((0, 0),) * (x.ndim - 1))) if missing else x
        return filled.reshape(-1, block, *x.shape[1:])

    out = jax.lax.map(jax.checkpoint(function), jax.tree.map(split, rows))
    return out.reshape(-1, *out.shape[2:])[:count]
