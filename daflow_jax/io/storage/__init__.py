"""Files that lie in a bucket: what a URL names, what its store can do, and who holds what there.

Everything that takes a path asks `place` for it. A path on this machine stays a `pathlib.Path` and
is used as ever; `gs://BUCKET/NAME` becomes an `etils.epath.Path`. A store of objects differs from a
disk in several ways, and each has one file here: an object cannot be renamed, mapped or added to
(`copies`, `mirror`), it cannot be locked (`lease`), every look at it is a request (`outline`), it
may be out of reach for a while (`faults`).
"""

from daflow_jax.io.storage.copies import fetched, publish, staged
from daflow_jax.io.storage.faults import explain
from daflow_jax.io.storage.outline import content, origin, outlined
from daflow_jax.io.storage.places import (
    Place,
    absolute,
    check,
    is_url,
    local,
    make_folder,
    move,
    place,
    read_range,
    remove_tree,
    size,
    write_text,
)

__all__ = [
    "Place", "absolute", "check", "content", "explain", "fetched", "is_url", "local", "make_folder",
    "move", "origin", "outlined", "place", "publish", "read_range", "remove_tree", "size", "staged",
    "write_text",
]  # fmt: skip
