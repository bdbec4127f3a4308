"""The bytes of one file, whole; what waits for ever or has no end is refused."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daflow_jax.errors import UserError
from daflow_jax.io import limits


def read_bytes(path: str | Path) -> bytes:
    """Returns the content of `path`.

    A missing, empty, unreadable or too large file is a `UserError`, and so is what is not a file: a
    folder, a pipe, a device, a link that leads nowhere.
    """
    path = Path(path)
    with _explained(path):
        size = _size(path)
        limits.check_file(path, size)
        with open(path, "rb") as file:
            data = file.read(size + 1)
    if not data:
        raise _empty(path)
    return data


def check(path: str | Path) -> None:
    """Raises the errors of `read_bytes`, of any size, without reading the file."""
    path = Path(path)
    with _explained(path):
        size = _size(path)
        open(path, "rb").close()
    if not size:
        raise _empty(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(path, f"cannot be read ({reason})", "Check its permissions") from error
    except ValueError:  # a NUL byte in the name
        raise UserError(repr(str(path)), "is not the name of a file", "Check the name") from None


def _size(path: Path) -> int:
    info = os.stat(path)
    if stat.S_ISDIR(info.st_mode):
        raise UserError(path, "is a folder where a file is needed", "Name a file in it")
    if not stat.S_ISREG(info.st_mode):
        raise UserError(path, "is a pipe or a device, not a file", "Write it to a file first")
    return info.st_size


def _empty(path: Path) -> UserError:
    return UserError(path, "empty file", "Copy or download it again")


def _missing(path: Path) -> UserError:
    if path.is_symlink():
        rule = f"is a link to {os.readlink(path)}, which does not exist"
        return UserError(path, rule, "Restore the file that it names")
    return UserError(path, "not found", "Check the name")
