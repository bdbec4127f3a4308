"""Files that are read must not be written: while they are protected, every writer refuses them.

with protected.protecting(inputs):
    ...  # `atomic.replacing` raises UserError for a target that is one of the inputs

A file is known by what the file system calls it, so other spellings, links, hard links and, where
case does not count, other cases of its name are refused as well.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from daflow_jax.errors import UserError
from daflow_jax.io.storage import Place

Identity = tuple[int, int]
_protected: list[dict[Identity, Path]] = []


def identity(path: str | Place) -> Identity | None:
    """Returns what names a file on this machine (device and inode), None if there is none.

    A way through folders that are not there ("new/../a.png") counts: writers make them.
    """
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        try:
            info = os.stat(os.path.realpath(path))
        except (OSError, ValueError):
            return None
    return info.st_dev, info.st_ino


def known(paths: Iterable[str | Place]) -> dict[Identity, Path]:
    """Returns the existing files among `paths` by identity."""
    found = ((identity(path), Path(path)) for path in paths)
    return {name: path for name, path in found if name is not None}


@contextmanager
def protecting(paths: Iterable[str | Path]) -> Iterator[None]:
    """Protects existing files, in every thread, until the block ends; blocks may be nested."""
    files = known(paths)
    _protected.append(files)
    try:
        yield
    finally:
        _protected[:] = [one for one in _protected if one is not files]


def check(path: str | Place) -> None:
    """Raises UserError if `path` is a protected file."""
    for files in _protected:
        refuse(path, files)


def refuse(path: str | Place, files: dict[Identity, Path]) -> None:
    """Raises UserError if `path` is one of `files`."""
    source = files.get(identity(path) or (-1, -1)) if files else None
    if source is not None:
        same = "" if os.fspath(source) == os.fspath(path) else f" ({source})"
        rule = f"is an input{same}; the result would overwrite it"
        raise UserError(path, rule, "Choose another --out")
