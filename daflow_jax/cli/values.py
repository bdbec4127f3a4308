"""Values of flags that are more than a word: numbers, sizes, meshes."""

import argparse
import math
import re
from collections.abc import Callable

MOST = 2**31 - 1  # of counts
LONGEST = 2**16  # pixels of a side


def at_least(least: int, most: int = MOST) -> Callable[[str], int]:
    """Returns an argparse type for whole numbers from `least` up, to `most`."""

    def integer(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,1000}", text) or int(text) < least:
            raise _wrong(text, f"is not a whole number from {least} up")
        if int(text) > most:
            raise _wrong(text, f"is not a whole number from {least} to {most}")
        return int(text)

    return integer


def number(least: float | int = -math.inf, most: float | int = math.inf) -> Callable[[str], float]:
    """Returns an argparse type for finite numbers of `least` to `most`."""

    def real(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and least <= value <= most):
            bounds = f" from {least:g} to {most:g}" if math.isfinite(most) else ""
            bounds = bounds or (f" from {least:g} up" if math.isfinite(least) else "")
            raise _wrong(text, f"is not a number{bounds}")
        return value

    return real


def size(text: str) -> tuple[int, int]:
    """Returns (height, width) of "192x256", height first."""
    return _sides(text, "HEIGHTxWIDTH")


def width_by_height(text: str) -> tuple[int, int]:
    """Returns (width, height) of "640x480", width first, as video programs say it."""
    return _sides(text, "WIDTHxHEIGHT")


def _sides(text: str, form: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text)
    if not match or not all(1 <= int(side) <= LONGEST for side in match.groups()):
        raise _wrong(text, f"is not {form}, each from 1 to {LONGEST}")
    return int(match[1]), int(match[2])


def _wrong(text: str, rule: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{text[:40]!r} {rule}")


def mesh(text: str) -> dict[str, int]:
    """Returns {"data": 4, "seq": 2} of "data=4,seq=2"."""
    if not re.fullmatch(r"[a-z]+=(-1|[1-9]\d*)(,[a-z]+=(-1|[1-9]\d*))*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not AXIS=SIZE,...: data=4,seq=2")
    return {name: int(size) for name, size in (part.split("=") for part in text.split(","))}


def auto_or_count(text: str) -> int | None:
    """Returns None of "auto", else a whole number from 1 up."""
    return None if text == "auto" else at_least(1, 4096)(text)


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
