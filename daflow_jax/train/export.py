"""Model folders out of a run; the caller says how a folder is written."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from daflow_jax.io import storage
from daflow_jax.io.storage import Place
from daflow_jax.sharding import processes

# (folder, which of the task's models, NumPy variables, training record)
Saver = Callable[[Place, str, dict[str, Any], dict[str, Any]], None]


def export(
    folder: Place, exported: dict[str, dict[str, Any]], record: dict[str, Any], save: Saver
) -> None:
    """Writes the variables under "" as the model folder `folder`, those under NAME as
    `folder`-NAME (process 0), replacing those before; all processes must call it.
    """
    for name, variables in exported.items():
        host = jax.tree.map(_host, variables)
        if processes.is_main():
            target = folder.with_name(f"{folder.name}-{name}") if name else folder
            storage.make_folder(target.parent)
            save(target, name, host, record)


def _host(leaf: jax.Array) -> np.ndarray | None:
    """Returns the whole leaf on process 0, where alone it is kept."""
    if not leaf.is_fully_addressable:
        leaf = multihost_utils.process_allgather(leaf, tiled=True)
    return np.asarray(leaf) if processes.is_main() else None
