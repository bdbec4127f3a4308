"""The order in which people number files: frame2 before frame10."""

import re
from pathlib import Path


def key(path: str | Path) -> list[tuple[int, int, str]]:
    """Returns a sort key that compares runs of digits as numbers, the rest without case."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts]
