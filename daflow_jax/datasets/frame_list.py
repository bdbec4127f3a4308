"""Lists of frames: a text file with the files of one sequence a line.

Names are relative to the list. A name with spaces stands in quotes; without them it is found too
where the line holds two names and only one way to split it gives two files.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from daflow_jax.errors import UserError
from daflow_jax.io.regular_file import read_bytes

_WORD = re.compile(r"""(?<!\S)(?:"([^"]*)"|'([^']*)')(?!\S)|(\S+)""")


def read(path: Path) -> Iterator[list[Path]]:
    """Yields the files of each line; what is not there is a `UserError` with the line's number."""
    for number, line in enumerate(_text(path).splitlines(), 1):
        line = line.strip("\ufeff \t\r\n\0")
        if not line or line.startswith("#"):
            continue
        where = f"{path}:{number}"
        files = _files(path.parent, line)
        if len(files) < 2:
            raise UserError(where, "one file; a line names two", "Add the second")
        for file in files:
            if not file.is_file():
                raise UserError(where, f"{file} not found", "Check the name; quote one with spaces")
        yield files


def _text(path: Path) -> str:
    data = read_bytes(path)
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(path, "not a text file", 'Write lines "frame1 frame2"') from None


def _files(folder: Path, line: str) -> list[Path]:
    words = [a or b or c for a, b, c in _WORD.findall(line)]
    files = [folder / word for word in words]
    if all(file.is_file() for file in files):
        return files
    splits = [(line[: gap.start()], line[gap.end() :]) for gap in re.finditer(r"\s+", line)]
    pairs = [[folder / a, folder / b] for a, b in splits]
    there = [pair for pair in pairs if all(file.is_file() for file in pair)]
    return there[0] if len(there) == 1 else files
