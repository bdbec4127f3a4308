"""Values of flags that are more than a word: numbers, sizes, meshes."""

import argparse
import re
from collections.abc import Callable


def at_least(least: int) -> Callable[[str], int]:
    """Returns an argparse type for whole numbers from `least` up."""

    def integer(text: str) -> int:
        if not re.fullmatch(r"-?\d+", text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
        return int(text)

    return integer


def size(text: str) -> tuple[int, int]:
    """Returns (height, width) of "192x256", height first."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH")
    return int(match[1]), int(match[2])


def mesh(text: str) -> dict[str, int]:
    """Returns {"data": 4, "seq": 2} of "data=4,seq=2"."""
    if not re.fullmatch(r"[a-z]+=(-1|[1-9]\d*)(,[a-z]+=(-1|[1-9]\d*))*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not AXIS=SIZE,...: data=4,seq=2")
    return {name: int(size) for name, size in (part.split("=") for part in text.split(","))}


def auto_or_count(text: str) -> int | None:
    """Returns None of "auto", else a whole number from 1 up."""
    return None if text == "auto" else at_least(1)(text)


def tile(text: str) -> str | tuple[int, int]:
    """Returns "auto" and "off" as they are, else (height, width)."""
    return text if text in ("auto", "off") else size(text)


def scales(text: str) -> tuple[float, ...]:
    """Returns (0.25, 0.5) of "0.25,0.5" and () of "none"."""
    if text == "none":
        return ()
    if not re.fullmatch(r"0?\.\d+(,0?\.\d+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not none or numbers below 1: 0.25,0.5")
    found = tuple(float(part) for part in text.split(","))
    if 0 in found or list(found) != sorted(set(found)):
        raise argparse.ArgumentTypeError(f"{text!r} does not ascend from above 0: 0.25,0.5")
    return found
