"""How devices are arranged, which dimension lies where, and how the processes of a run meet."""

from daflow_jax.sharding.mesh import (
    AXES,
    batch_sharding,
    check_batch_size,
    clip_ways,
    make_mesh,
    place_batch,
    process_share,
    replicated,
    tree_shardings,
)

__all__ = [
    "AXES",
    "batch_sharding",
    "check_batch_size",
    "clip_ways",
    "make_mesh",
    "place_batch",
    "process_share",
    "replicated",
    "tree_shardings",
]
