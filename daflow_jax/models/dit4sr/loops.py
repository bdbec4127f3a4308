"""Loops over equal blocks: their parameters are those of the single blocks, stacked.

A loop over the blocks 4 to 12 is called "blocks_4_12"; the first dimension of its parameters counts
the blocks. Model folders hold single blocks; training states hold what the configuration runs.
"""

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from daflow_jax.models.dit4sr.config import DiTConfig

Tree = Any  # nested dicts of arrays
_LOOP = re.compile(r"(.*\bblocks_)(\d+)_(\d+)(/.*)")
_SINGLE = re.compile(r"(.*\bblocks_)(\d+)(/.*)")


def name(first: int, last: int) -> str:
    """Returns what follows "blocks_" in the name of a run of blocks."""
    return str(first) if first == last else f"{first}_{last}"


def unrolled(variables: Tree) -> Tree:
    """Returns `variables` with every loop as single blocks, wherever loops stand in the tree."""
    out: dict[str, Any] = {}
    for path, leaf in _flat(variables).items():
        match = _LOOP.fullmatch(path)
        if match is None:
            out[path] = leaf
            continue
        head, first, last, rest = match.groups()
        numbers = range(int(first), int(last) + 1)
        out |= {f"{head}{i}{rest}": leaf[i - numbers[0]] for i in numbers}
    return traverse_util.unflatten_dict(out, sep="/")


def looped(variables: Tree, config: DiTConfig) -> Tree:
    """Returns `variables` with single blocks stacked into the loops that `config` runs.

    Raises KeyError naming the first parameter of a loop that only some of its blocks have.
    """
    flat = _flat(variables)
    runs = {i: run for run in config.runs if run[0] != run[1] for i in range(run[0], run[1] + 1)}
    out: dict[str, Any] = {}
    for path, leaf in flat.items():
        match = _SINGLE.fullmatch(path)
        run = runs.get(int(match[2])) if match else None
        if match is None or run is None:
            out[path] = leaf
        elif int(match[2]) == run[0]:
            numbers = range(run[0], run[1] + 1)
            parts = [flat[f"{match[1]}{i}{match[3]}"] for i in numbers]
            out[f"{match[1]}{name(*run)}{match[3]}"] = _stack(parts)
    return traverse_util.unflatten_dict(out, sep="/")


def _flat(variables: Mapping[str, Any]) -> dict[str, Any]:
    return traverse_util.flatten_dict(variables, sep="/")


def _stack(parts: list) -> Any:
    return jnp.stack(parts) if isinstance(parts[0], jax.Array) else np.stack(parts)


def restored(variables: Tree, config: Any) -> Tree:
    """Returns `variables`, with single blocks or loops, with the loops of a restorer."""
    return looped(unrolled(variables), config.dit)
