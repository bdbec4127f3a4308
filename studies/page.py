"""Pages of results: tables are written anew, what a person wrote above them stays."""

import argparse
from pathlib import Path

from daflow_jax.io import atomic

MARK = "<!-- tables -->\n"


def path(text: str) -> Path:
    """Returns where a page lies, as the type of an argument; a folder is refused."""
    found = Path(text)
    if found.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder. Name the page, such as FOLDER/x.md")
    return found


def publish(text: str, out: Path, title: str, docs: Path | None) -> None:
    """Prints tables, keeps them as OUT/table.md, and writes the page `docs` if there is one."""
    print(text)
    atomic.write_text(out / "table.md", text + "\n")
    if docs:
        write(docs, title, text)


def write(path: Path, title: str, tables: str) -> None:
    """Writes the page: its text above MARK, or `title` if it is new, then the tables."""
    head = path.read_text(encoding="utf-8") if path.exists() else f"# {title}\n\n"
    atomic.write_text(path, f"{head.partition(MARK)[0]}{MARK}\n{tables}\n")
