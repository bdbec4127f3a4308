"""The files of an evaluation, and what each of them says about when and on what it was made."""

import datetime
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from daflow_jax import __version__

LIBRARY = "daflow_jax.evaluate"  # stands for the command where a program evaluated
_LEFT_OUT = ("sums", "sparsification")  # parts of a row that the averages hold already


def head(command: str = LIBRARY) -> dict[str, Any]:
    """Returns the first entries of a record: its schema, the command and the time in UTC."""
    return {"schema": 1, "command": command, "date": now()}


def environment(device: str = "auto") -> dict[str, Any]:
    """Returns the versions and the device that a number depends on."""
    import jax

    return {
        "daflow": __version__,
        "commit": _commit(),
        "jax": jax.__version__,
        "device": device,
        "devices": jax.device_count(),
    }


def _commit() -> str | None:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def now() -> str:
    """Returns the time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row without the parts that only averages need."""
    return {key: value for key, value in row.items() if key not in _LEFT_OUT}


def write(out: Path, record: dict[str, Any], table: str) -> None:
    """Writes results.json and table.md into `out`."""
    from daflow_jax.io import atomic

    atomic.write_text(out / "results.json", json.dumps(record, indent=1) + "\n")
    atomic.write_text(out / "table.md", table)


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes one JSON object a line."""
    from daflow_jax.io import atomic

    atomic.write_text(path, "\n".join(json.dumps(plain(row)) for row in rows) + "\n")
