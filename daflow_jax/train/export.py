"""Model folders out of a run; how a folder is written is the caller's affair."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from daflow_jax.sharding import processes

Saver = Callable[
    [Path, dict[str, Any], dict[str, Any]], None
]  # (folder, NumPy variables, training record)


def export(folder: Path, variables: dict[str, Any], record: dict[str, Any], save: Saver) -> None:
    """Writes `variables` as a model folder (process 0), replacing the one before; all processes
    must call it.
    """
    host = jax.tree.map(_host, variables)
    if processes.is_main():
        folder.parent.mkdir(parents=True, exist_ok=True)
        save(folder, host, record)


def _host(leaf: jax.Array) -> np.ndarray | None:
    """Returns the whole leaf on process 0, where alone it is kept."""
    if not leaf.is_fully_addressable:
        leaf = multihost_utils.process_allgather(leaf, tiled=True)
    return np.asarray(leaf) if processes.is_main() else None
