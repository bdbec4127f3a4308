"""Files appear whole or not at all: written beside their place, then renamed."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daflow_jax.errors import UserError

_REMEDIES = {
    errno.ENOSPC: "Free some space or choose another --out",
    errno.EDQUOT: "Free some of your quota or choose another --out",
    errno.EACCES: "Choose an --out that you may write to",
    errno.EPERM: "Choose an --out that you may write to",
    errno.EROFS: "Choose an --out that you may write to",
}


def write_error(path: str | Path, error: OSError) -> UserError:
    """Returns the one-line refusal (code 3) for an `OSError` met while writing `path`."""
    reason = (error.strerror or str(error)).lower()
    remedy = _REMEDIES.get(error.errno or 0, "Check the disk and the folder")
    return UserError(path, f"cannot be written ({reason}); no half file remains", remedy, code=3)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`; renames it to `path` if the block succeeds.

    The folder is made if missing. On any error the temporary file is removed and an older file at
    `path` stays as it was. The suffix is kept, so writers that look at it work. `OSError` becomes
    `UserError` with code 3.
    """
    path = Path(path)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if part.exists():
            part.unlink()


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes `data` to `path` whole or not at all, and flushes it to the disk."""
    with replacing(path) as part, open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8 to `path` whole or not at all."""
    write_bytes(path, text.encode())
