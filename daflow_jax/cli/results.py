"""The files of an evaluation: results.json, per_pair.jsonl, table.md."""

import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

from daflow_jax import __version__


def environment(device: str) -> dict[str, Any]:
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


def table(scores: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Returns Markdown with a table per degradation: scores[degradation][method] = summary."""
    parts = []
    for degradation, methods in scores.items():
        datasets = list(next(iter(methods.values()))["datasets"])
        head = ["method", "EPE", "> 1 px", "> 3 px", "> 5 px", "Fl-all", *datasets]
        rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
        rows += [_row(name, values, datasets) for name, values in methods.items()]
        lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        parts.append(f"### {degradation}\n\n{lines}\n")
    note = (
        "EPE in pixels: mean of pairs per data set, then over data sets; data set columns are "
        "their EPE. Shares in percent. Left out of averages: replica360, tiny.\n"
    )
    return "\n".join([*parts, note])


def _row(name, values, datasets):
    shares = [values[key] for key in ("out1", "out3", "out5", "fl_all")]
    return [
        name,
        _number(values["epe"]["per_image"]),
        *(_number(None if share is None else 100 * share, 1) for share in shares),
        *(_number(values["datasets"].get(d, {}).get("epe")) for d in datasets),
    ]


def _number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def write(out: Path, results: dict[str, Any], rows: list[dict[str, Any]], text: str) -> None:
    """Writes the three files into `out`."""
    from daflow_jax.io import atomic

    atomic.write_text(out / "results.json", json.dumps(results, indent=1) + "\n")
    lines = [json.dumps({k: v for k, v in row.items() if k != "sums"}) for row in rows]
    atomic.write_text(out / "per_pair.jsonl", "\n".join(lines) + "\n")
    atomic.write_text(out / "table.md", text)
