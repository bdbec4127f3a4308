"""Files appear whole or not at all: written beside their place, then renamed.

A temporary file is made new, under a name that nobody can foresee, and no link is followed: who may
write to the folder cannot make another file be overwritten. A file of a bucket is written on this
machine and goes up as one object, which appears whole by itself.
"""

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daflow_jax.errors import UserError
from daflow_jax.io import protected, storage
from daflow_jax.io.storage import Place, copies

_REMEDIES = {
    errno.ENOSPC: "Free some space or choose another --out",
    errno.EDQUOT: "Free some of your quota or choose another --out",
    errno.EACCES: "Choose an --out that you may write to",
    errno.EPERM: "Choose an --out that you may write to",
    errno.EROFS: "Choose an --out that you may write to",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.ENOTDIR: "A file is in the place of a folder; choose another --out",
    errno.EEXIST: "A file is in the place of a folder; choose another --out",
}
_IMPOSSIBLE = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
_LONGEST = 255  # bytes of a file name on the usual file systems
_TRIES = 20


def write_error(path: str | Place, error: OSError) -> UserError:
    """Returns the one-line refusal for an `OSError` met while writing `path`: code 2 where the
    path itself cannot be one, else 3."""
    reason = (error.strerror or str(error)).lower()
    remedy = _REMEDIES.get(error.errno or 0, "Check the disk and the folder")
    code = 2 if error.errno in _IMPOSSIBLE else 3
    return UserError(path, f"cannot be written ({reason}); no half file remains", remedy, code)


def beside(path: Path, mark: str, suffix: str = "") -> Path:
    """Returns the hidden name `.STEM.mark` in the folder of `path`, cut to fit a file system."""
    tail = f".{mark}{suffix}".encode()
    stem = path.name.removesuffix(suffix) if suffix else path.name
    kept = os.fsencode(stem)[: _LONGEST - 1 - len(tail)].decode("utf-8", "ignore")
    return path.with_name(f".{kept}{tail.decode()}")


@contextmanager
def replacing(path: str | Place) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`; renames it to `path` if the block succeeds.

    The folder is made if missing. The file is there, empty: writers open it by its name. On any
    error it is removed and an older file at `path` stays as it was. The suffix is kept, so writers
    that look at it work. `OSError` becomes a `UserError`; a protected file is refused.
    """
    path = storage.place(path)
    protected.check(path)
    if not isinstance(path, Path):
        with _uploading(path) as part:
            yield part
        return
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _new_file(path)
        yield part
        os.replace(part, path)
        part = None
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


@contextmanager
def _uploading(path: Place) -> Iterator[Path]:
    """Yields an empty file of this machine; it becomes the object `path` if the block succeeds."""
    with tempfile.TemporaryDirectory(prefix="daflow-") as folder:
        part = Path(folder) / path.name
        try:
            part.touch()
            yield part
        except OSError as error:
            raise write_error(path, error) from error
        copies.upload(part, path)


def _new_file(path: Path) -> Path:
    """Returns a file made now: no file and no link had its name before."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= 32 else ""
    for attempt in range(_TRIES):
        mark = f"{os.getpid()}.{secrets.token_hex(4)}.part"
        part = beside(path, mark, suffix)
        try:
            os.close(os.open(part, flags, 0o666))  # less the umask, as `open` does
            return part
        except FileExistsError:
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("the loop returns or raises")


def no_link(path: str, flags: int) -> int:
    """Opens a file for the built-in `open`, refusing a link that took its place."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def write_bytes(path: str | Place, data: bytes) -> None:
    """Writes `data` to `path` whole or not at all, and flushes it to the disk."""
    with replacing(path) as part, open(part, "wb", opener=no_link) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_text(path: str | Place, text: str) -> None:
    """Writes `text` as UTF-8 to `path` whole or not at all."""
    write_bytes(path, text.encode())
