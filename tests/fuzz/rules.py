"""What must hold after every case."""

import hashlib
from pathlib import Path

from tests.fuzz.watchdog import Outcome

CODES = (0, 2, 3, 4, 5)
OURS = ("stdout", "stderr", "tmp")  # of the harness, beside inputs and results
PREFIX = "daflow: error: "


def state(folder: Path) -> dict[str, str]:
    """Returns the sha256 of every file of a case but those of the harness."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.split("/")[0] in OURS:
            continue
        if path.is_symlink() or not path.is_file():
            found[name] = "link" if path.is_symlink() else "folder" if path.is_dir() else "other"
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def broken(folder: Path, before: dict[str, str], outcome: Outcome) -> list[str]:
    """Returns the rules that a case broke, one sentence each."""
    if outcome.fault:
        return [outcome.fault]
    text = (folder / "stderr").read_text(errors="replace")
    spoken = text + (folder / "stdout").read_text(errors="replace")
    after = state(folder)
    found = []
    if outcome.code not in CODES:
        found.append(f"exit code {outcome.code}: {text[-300:]!r}")
    if "Traceback" in spoken:
        found.append("a traceback")
    if outcome.code in (2, 3) and not _one_line(text):
        found.append(f"not one line on stderr: {text[-600:]!r}")
    changed = [name for name in before if after.get(name) != before[name]]
    if changed:
        found.append(f"an input changed: {changed[:3]}")
    left = [name for name in after if name not in before and after[name] != "folder"]
    if left and outcome.code not in (0, 4, 5):
        found.append(f"files after exit {outcome.code}: {left[:3]}")
    hidden = [name for name in left if Path(name).name.startswith(".")]
    temporary = [path.name for path in (folder / "tmp").iterdir()]
    if hidden or temporary:
        found.append(f"temporary files stay: {(hidden + temporary)[:3]}")
    return found


def _one_line(text: str) -> bool:
    return text.startswith(PREFIX) and text.endswith("\n") and text.count("\n") == 1
