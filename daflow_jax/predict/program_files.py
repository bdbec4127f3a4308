"""Programs as files, so that a later process need not trace them again.

JAX's own cache of compiled programs is found by a traced one, and tracing a network takes seconds.
These files hold traced programs (`jax.export`) and are found by what they are made from: the
network's configuration, the shapes of the inputs, and the source of this package, so that an edited
line is never answered by an old program. They are for networks of this package on one CPU device;
other programs are traced anew.
"""

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
from jax import export

from daflow_jax import errors
from daflow_jax.io import atomic
from daflow_jax.predict.placement import Placement

MOST = 64 * 2**20  # [choice] bytes of all files; the ones used longest ago go first
_PACKAGE = Path(__file__).parents[1]
_SEAL = hashlib.sha256().digest_size


class ProgramFiles:
    """The programs in a folder, which is made when the first one is kept.

    A file that is damaged, or that this version of JAX cannot read, counts as missing.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def find(self, name: str) -> Callable[..., Any] | None:
        """Returns the traced function of a name, None if there is none."""
        path = self.folder / name
        with contextlib.suppress(OSError):
            data = path.read_bytes()
            if hashlib.sha256(data[_SEAL:]).digest() != data[:_SEAL]:
                return None
            os.utime(path)
            with contextlib.suppress(Exception):  # of another version: anything may be raised
                return export.deserialize(bytearray(data[_SEAL:])).call
        return None

    def keep(self, name: str, function: Callable[..., Any], arguments: Any) -> Callable[..., Any]:
        """Returns the function, traced for arguments or their shapes and written where the folder
        can be written to; itself, if JAX cannot write it.
        """
        try:
            traced = export.export(jax.jit(function))(*arguments)
            data = bytes(traced.serialize())
        except (ValueError, NotImplementedError):  # calls or trees that the format does not have
            return function
        with contextlib.suppress(errors.UserError, OSError):
            atomic.write_bytes(self.folder / name, hashlib.sha256(data).digest() + data)
            self._make_room()
        return traced.call

    def _make_room(self) -> None:
        found = [(path.stat(), path) for path in self.folder.iterdir()]
        left = MOST
        for about, path in sorted(found, key=lambda pair: -pair[0].st_mtime_ns):
            left -= about.st_size
            if left < 0:
                path.unlink()


def name_of(
    module: Any, place: Placement, precision: str | None, make: Any, plan: Any, arguments: Any
) -> str | None:
    """Returns the name of a program, None if it is not to be kept.

    Args:
        make, plan: as `Programs` takes them. arguments: all arguments of the program, as arrays or
            shapes.
    """
    foreign = [x for x in (type(module), make) if not x.__module__.startswith("daflow_jax.")]
    if foreign or place.mesh is not None or place.device.platform != "cpu":
        return None
    leaves, tree = jax.tree.flatten(arguments)
    made_from = (
        *(repr(x) for x in (module, make.__module__, make.__qualname__, plan, precision, tree)),
        *(f"{x.shape} {x.dtype}" for x in leaves),
        _source(),
        repr(sorted((key, str(value)) for key, value in jax.config.values.items())),
    )
    if any(" at 0x" in part for part in made_from):  # an object that is known by its address
        return None
    return hashlib.sha256("\0".join(made_from).encode()).hexdigest()


@functools.cache
def _source() -> str:
    """Returns a digest of the package's source and the libraries' versions."""
    digest = hashlib.sha256()
    for library in ("jax", "jaxlib", "flax"):
        digest.update(f"{library} {metadata.version(library)} ".encode())
    for file in sorted(_PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(_PACKAGE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()
