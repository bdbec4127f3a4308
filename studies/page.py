"""Pages of results: tables are written anew, what a person wrote around them stays."""

import argparse
from pathlib import Path

from daflow_jax import errors
from daflow_jax.io import atomic


def path(text: str) -> Path:
    """Returns where a page lies, as the type of an argument; a folder is refused."""
    found = Path(text)
    if found.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder. Name the page, such as FOLDER/x.md")
    return found


def publish(text: str, out: Path, docs: Path | None, part: str) -> None:
    """Prints tables, keeps them as OUT/table.md, and fills a part of the page `docs` if given."""
    print(text)
    atomic.write_text(out / "table.md", text + "\n")
    if docs:
        fill(docs, part, text)


def fill(path: Path, part: str, tables: str) -> None:
    """Writes tables between the marks of a part of the page; at its end if it has none."""
    begin, end = f"<!-- {part}: begin -->\n", f"<!-- {part}: end -->\n"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if found and not ended:
        raise errors.UserError(path, f"has no line {end.strip()!r}", "Add it below the table")
    if before and not found:
        before = before.rstrip("\n") + "\n\n"
    atomic.write_text(path, f"{before}{begin}{tables.rstrip()}\n{end}{after}")
