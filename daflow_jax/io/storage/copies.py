"""Files that are made or used here and lie there: fetched whole, or published whole.

A folder of objects cannot be renamed into place. So its files go up in any order, and one of them,
which readers ask for first, goes last: without it the folder reads as incomplete.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from daflow_jax.io.storage import faults, places
from daflow_jax.io.storage.places import Place

_AT_ONCE = 8  # [choice] files on their way at the same time


def upload(file: Path, target: Place) -> None:
    """Puts one file into the store, whole or not at all."""
    with faults.explained(target):
        places.filesystem(target).put_file(str(file), str(target))


def download(source: Place, file: Path) -> None:
    """Gets one file from the store."""
    with faults.explained(source):
        places.filesystem(source).get_file(str(source), str(file))


def publish(folder: Path, target: Place, last: Sequence[str] = ()) -> None:
    """Puts all files of a folder at any depth under `target`; those named `last`, paths in the
    folder, after all others and in their order."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    first = [name for name in names if name not in last]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda name: upload(folder / name, target / name), first))
    for name in last:
        if name in names:
            upload(folder / name, target / name)


@contextlib.contextmanager
def staged(target: Place, last: Sequence[str] = ()) -> Iterator[Path]:
    """Yields a folder of this machine whose files are published under `target` if the block
    succeeds; of a target on this machine, itself."""
    if isinstance(target, Path):
        yield target
        return
    with tempfile.TemporaryDirectory(prefix="daflow-") as folder:
        yield Path(folder)
        publish(Path(folder), target, last)


def fetched(
    source: Place, names: Sequence[str], cache: Path, key: bytes, check: Callable[[Path], None]
) -> Path:
    """Returns a folder of this machine with the files `names` of a folder in a store.

    Args:
        cache: where such folders lie. key: what the content depends on; the folder is fetched once
            for each source and key. check: raises for content that must not stay there.
    """
    mark = hashlib.sha256(str(source).encode() + b"\0" + key).hexdigest()[:24]
    folder = cache / mark / source.name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder.parent) as part:
        made = Path(part) / source.name
        made.mkdir()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda name: download(source / name, made / name), names))
        check(made)
        with contextlib.suppress(OSError):  # another process was faster
            made.rename(folder)
    return folder
