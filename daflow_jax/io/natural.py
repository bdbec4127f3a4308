"""The order in which people number files: frame2 before frame10."""

import re
from collections.abc import Sequence
from pathlib import Path


def key(path: str | Path) -> list[tuple[int, int, str]]:
    """Returns a sort key that compares runs of digits as numbers, the rest without case.

    Decimal digits of every script count; superscripts and the like are letters.
    """
    parts = re.split(r"(\d+)", str(path).lower())
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


def is_sorted_as_text(names: Sequence[str]) -> bool:
    """Returns whether names stand in the order of a shell's glob, which is not the natural one."""
    given = list(names)
    if given == sorted(given, key=key):
        return False
    return given in (sorted(given), sorted(given, key=str.casefold))
