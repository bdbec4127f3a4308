"""From a string to a path: on this machine, or in a bucket.

    place("runs/a")           pathlib.Path, untouched
    place("gs://bucket/a")    etils.epath.Path, read and written through gcsfs

gs:// has everything. s3:// and az:// are read and written where their own package (s3fs, adlfs) is
installed, but hold no runs: claims need the preconditions of Google's store.
"""

import functools
import importlib.util
import logging
import os
import re
import shutil
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from daflow_jax.errors import UserError, nearest
from daflow_jax.io.storage import faults

if TYPE_CHECKING:
    from etils import epath

    Place = Path | epath.Path
else:  # both are of this kind, and nobody waits for an import
    Place = PurePath

PACKAGES = {"gs": "gcsfs", "s3": "s3fs", "az": "adlfs"}
EMULATOR = "STORAGE_EMULATOR_HOST"  # as gcsfs and Google's own clients read it
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_SHAPE = "Write gs://BUCKET/FOLDER"


def is_url(path: object) -> bool:
    """Returns whether a path, or the text of one, names something outside this machine."""
    return _URL.match(os.fspath(path) if isinstance(path, os.PathLike) else str(path)) is not None


def place(path: "str | os.PathLike[str]") -> Place:
    """Returns the path that a text names; nothing is asked of a store yet.

    Raises UserError: code 2 for a URL that cannot be one, 3 where its package is missing.
    """
    text = os.fspath(path)
    match = _URL.fullmatch(text)
    if match is None:
        return Path(text)
    if not isinstance(path, str):
        return path  # pyright: ignore[reportReturnType] - only epath has such paths
    scheme, rest = match.groups()
    _check_url(text, scheme, rest)
    _prepare(scheme)
    from etils import epath

    return epath.Path(f"{scheme}://{rest.rstrip('/')}")


def absolute(path: "str | os.PathLike[str]") -> Place:
    """Returns `place(path)`, from the root where it is on this machine."""
    found = place(path)
    return found.absolute() if isinstance(found, Path) else found


def local(path: "str | os.PathLike[str]", what: str) -> Path:
    """Returns a path on this machine; a URL is a UserError (code 2): `what` is read or written
    there only."""
    if is_url(path):
        remedy = "Name a folder of this machine, or mount the bucket (gcsfuse)"
        raise UserError(path, f"is in a bucket; {what}", remedy)
    return Path(path)


def _check_url(text: str, scheme: str, rest: str) -> None:
    if scheme not in PACKAGES:
        known = _known(scheme)
        raise UserError(text, f"has the scheme {scheme}://, which is not read", known)
    bucket, _, name = rest.rstrip("/").partition("/")
    if not _BUCKET.fullmatch(bucket):
        rule = f"names the bucket {bucket!r}; buckets have 3 to 222 small letters, digits, . _ -"
        raise UserError(text, rule, _SHAPE)
    parts = name.split("/") if name else []
    if any(part in ("", ".", "..") for part in parts):
        raise UserError(text, "has a part that is empty or a dot", _SHAPE)
    if not text.isprintable() or any(sign in text for sign in "?#*[]"):
        rule = "has a sign that names here do not: ? # * [ ] or one that cannot be printed"
        raise UserError(text, rule, _SHAPE)


def _known(scheme: str) -> str:
    """Returns the remedy for an unknown scheme."""
    return nearest(f"{scheme}://", [f"{known}://" for known in PACKAGES])


@functools.cache
def _prepare(scheme: str) -> None:
    """Brings the packages of a scheme into the state that the rest relies on, once a process."""
    package = PACKAGES[scheme]
    for name in ("etils", "fsspec", package):
        if importlib.util.find_spec(name) is None:
            extra = "daflow-jax[gcs]" if scheme == "gs" else package
            raise UserError(f"{scheme}://", f"needs the package {name}", f"Install {extra}", 3)
    os.environ.setdefault("EPATH_USE_TF", "false")  # one client, whatever else is installed
    if scheme != "gs":
        return
    # The other client asks a second service, by gRPC, what kind of bucket it is; where that cannot
    # be reached it waits for ever. The variable is read when gcsfs is imported, maybe before now.
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    import fsspec.config
    import gcsfs.core

    own: dict[str, Any] = {"use_listings_cache": False}  # other processes write there too
    if os.environ.get(EMULATOR):
        address = os.environ[EMULATOR]
        address = address if "://" in address else f"http://{address}"
        own["token"] = "anon"
        os.environ.setdefault("TENSORSTORE_GCS_HTTP_URL", address)
    for name in ("gcs", "gs"):
        fsspec.config.conf.setdefault(name, {}).update(own)
        fsspec.register_implementation(name, gcsfs.core.GCSFileSystem, clobber=True)
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # what it logs, it raises too


def check(path: Place) -> None:
    """Asks the store of `path` for one name below it; nothing is asked for a path of this machine.

    Raises UserError (code 3) where there is no such bucket, no right to list it, or no answer.
    """
    if isinstance(path, Path):
        return
    with faults.explained(path):
        if os.fspath(path).startswith("gs://"):
            bucket, name = split(path)
            options = {"prefix": name, "maxResults": 1} if name else {"maxResults": 1}
            client().call("GET", "b/{}/o", bucket, json_out=True, **options)
        else:
            path.exists()


def client() -> Any:
    """Returns the gcsfs client that paths use as well."""
    from etils.epath import backend

    return backend.fsspec_backend.fs("gs://")


def size(path: Place) -> int:
    """Returns the bytes of a file; FileNotFoundError where there is none."""
    if isinstance(path, Path):
        return path.stat().st_size
    return int(filesystem(path).info(os.fspath(path))["size"])


def read_range(path: Place, start: int, end: int) -> bytes:
    """Returns the bytes from `start` up to `end` of an object, in one request; safe in threads."""
    return filesystem(path).cat_file(os.fspath(path), start, end)


def filesystem(path: Place) -> Any:
    """Returns the fsspec client of a path in a store, which the path itself uses as well."""
    from etils.epath import backend

    return backend.fsspec_backend.fs(path)


def split(path: Place) -> tuple[str, str]:
    """Returns (bucket, name of the object)."""
    bucket, _, name = os.fspath(path).partition("://")[2].partition("/")
    return bucket, name


def make_folder(path: Place) -> None:
    """Makes a folder and those above it; a store has none, so there nothing is to be done."""
    if isinstance(path, Path):
        path.mkdir(parents=True, exist_ok=True)


def write_text(path: Place, text: str) -> None:
    """Writes a small file whole or not at all: objects are like that, files are renamed."""
    if not isinstance(path, Path):
        path.write_text(text)
        return
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)


def remove_tree(path: Place) -> None:
    """Removes a folder with all that is in it, if it is there."""
    if isinstance(path, Path):
        shutil.rmtree(path, ignore_errors=True)
    elif path.is_dir():
        path.rmtree()


def move(path: Place, target: Place) -> None:
    """Moves a folder to where there is none. In a store that is a copy of every object, then their
    removal: stopped in between, both are there, and the move can be done again."""
    if isinstance(path, Path):
        path.rename(target)
        return
    client_ = client() if os.fspath(path).startswith("gs://") else None
    if client_ is None:
        path.rename(target)
        return
    client_.copy(os.fspath(path), os.fspath(target), recursive=True)
    path.rmtree()
