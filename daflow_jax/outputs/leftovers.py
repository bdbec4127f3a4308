"""What processes that died left behind: half files beside results, folders for a while."""

import os
import re
import shutil
import tempfile
from pathlib import Path

SPOOL = "daflow-spool-"
_PART = re.compile(r"\..*\.(\d+)\.[0-9a-f]{8}\.part(\.\w+)?")  # as `io.atomic` names them


def clean_folder(folder: Path) -> None:
    """Removes half files in a folder whose writers are dead."""
    if not folder.is_dir():
        return
    for name in os.listdir(folder):
        match = _PART.fullmatch(name)
        if match and is_dead(int(match[1])):
            (folder / name).unlink(missing_ok=True)


def clean_spools() -> None:
    """Removes the spools of dead processes."""
    root = Path(tempfile.gettempdir())
    for path in root.glob(f"{SPOOL}*-*"):
        owner = path.name.removeprefix(SPOOL).partition("-")[0]
        if owner.isdecimal() and is_dead(int(owner)):
            shutil.rmtree(path, ignore_errors=True)


def is_dead(process: int) -> bool:
    """Returns whether no process of this number runs; False where the system does not say."""
    if os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
