"""A folder of a bucket as names: the same tree on this machine, without the content.

Readers of data sets look for files by name, by pattern and by length. `outlined` makes a tree in
which they find all of that: files of the true length that hold nothing. Only descriptions are
filled in. Whoever wants the content of the others asks `content` for copies of them first.
"""

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from daflow_jax.errors import UserError
from daflow_jax.io.storage import copies, faults, places
from daflow_jax.io.storage.places import Place

_MARK = "daflow-outline-"  # begins the name of the folder that a tree lies in
_ORIGIN = "origin"  # file there: the URL of the folder
_DESCRIPTIONS = (".json", ".txt")
_LARGEST = 2**20  # bytes of a description
_AT_ONCE = 32  # [choice] requests at the same time; a description is a few hundred bytes


def outlined(path: "str | os.PathLike[str]") -> Path:
    """Returns a folder of this machine with the files of `path`: itself, if it lies here, else a
    tree that lasts as long as this process.

    Raises UserError: code 2 for a folder without files, 3 where the bucket is out of reach.
    """
    place = places.place(path)
    if isinstance(place, Path):
        return place
    places.check(place)
    with faults.explained(place):
        sizes = _sizes(place)
    if not sizes:
        raise UserError(place, "not found", "Name the folder of the data set")
    holder = Path(tempfile.mkdtemp(prefix=_MARK))
    atexit.register(_remove, holder, os.getpid())
    (holder / _ORIGIN).write_text(os.fspath(place))
    root = holder / "files" / place.name
    _grow(root, sizes)
    small = [n for n, size in sizes.items() if n.endswith(_DESCRIPTIONS) and size <= _LARGEST]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda name: copies.download(place / name, root / name), small))
    return root


def _sizes(place: Place) -> dict[str, int]:
    """Returns {name below the folder: bytes}, by pages of a thousand names."""
    _, base = os.fspath(place).split("://", 1)
    found = places.filesystem(place).find(os.fspath(place), detail=True)
    names = {name.removeprefix(base).lstrip("/"): info for name, info in found.items()}
    return {name: int(info["size"]) for name, info in names.items() if name and name[-1] != "/"}


def _grow(root: Path, sizes: dict[str, int]) -> None:
    for folder in {Path(name).parent for name in sizes}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, size in sizes.items():
        with open(root / name, "wb") as file:
            file.truncate(size)


def _remove(holder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not where a worker process ends that was forked from it
        shutil.rmtree(holder, ignore_errors=True)


def origin(path: Path) -> Place | None:
    """Returns what a path of an outline stands for; None for any other path."""
    parts = path.parts
    place = next((k for k, part in enumerate(parts) if part.startswith(_MARK)), None)
    if place is None:
        return None
    root = _origin(str(Path(*parts[: place + 1])))
    return None if root is None else root.joinpath(*parts[place + 3 :])


@functools.lru_cache(maxsize=64)
def _origin(holder: str) -> Place | None:
    file = Path(holder) / _ORIGIN
    return places.place(file.read_text()) if file.is_file() else None


def content(paths: Iterable[Path], folder: Path) -> dict[Path, Path]:
    """Returns {path of an outline: its file with the content}, fetched into `folder` side by side;
    paths of no outline are left out, and so are those that do not exist.

    Raises UserError (code 3) where the bucket is out of reach.
    """
    wanted = {path: place for path in paths if (place := origin(path)) and path.is_file()}
    copied = {path: folder / str(k) / path.name for k, path in enumerate(wanted)}

    for path, data in _read(wanted):
        copied[path].parent.mkdir()
        copied[path].write_bytes(data)
    return copied


def _read(wanted: dict[Path, Place]) -> list[tuple[Path, bytes]]:
    """Returns the content of objects: a request for each, all of them at the same time."""
    if not wanted:
        return []
    first = next(iter(wanted.values()))
    texts = {os.fspath(place).partition("://")[2]: path for path, place in wanted.items()}
    with faults.explained(first.parent):
        found = places.filesystem(first).cat([os.fspath(place) for place in wanted.values()])
    return [(texts[name.partition("://")[2] or name], data) for name, data in found.items()]
