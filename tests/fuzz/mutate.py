"""Damage: a good file's bytes truncated, flipped, spliced, and given headers that lie."""

import json
import random
from typing import Any

LIES = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
VALUES = (
    None, True, False, 0, -1, 1, 2, 3.7, -0.5, 1e9, 10**30, float("nan"), float("inf"), "", "yes",
    "../../x", "a\nb", "\x00", [], {}, [1], [None], {"a": {"b": []}}, "9" * 400, [[[[]]]],
)  # fmt: skip


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Returns the bytes with one to three kinds of damage; they may be harmless."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(KINDS)(rng, data)
    return data


def truncate(rng: random.Random, data: bytes) -> bytes:
    """Cuts at a random place, often near one of the ends."""
    length = len(data)
    ends = (rng.randint(0, min(64, length)), max(length - rng.randint(1, 64), 0))
    return data[: rng.choice((*ends, rng.randint(0, length)))]


def flip(rng: random.Random, data: bytes) -> bytes:
    """Flips one to sixteen bits, half of the time in the first bytes."""
    out = bytearray(data)
    span = min(len(out), 96) if rng.random() < 0.5 else len(out)
    for _ in range(rng.randint(1, 16) if span else 0):
        out[rng.randrange(span)] ^= 1 << rng.randrange(8)
    return bytes(out)


def splice(rng: random.Random, data: bytes) -> bytes:
    """Moves, doubles, drops or zeroes a piece."""
    first, last = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    piece, place = data[first:last], rng.randint(0, len(data))
    kind = rng.randrange(4)
    if kind == 0:
        return data[:first] + data[last:]
    if kind == 1:
        return data[:place] + piece + data[place:]
    if kind == 2:
        return data[:first] + bytes(len(piece)) + data[last:]
    return data[:first] + rng.randbytes(min(len(piece), 4096)) + data[last:]


def lie(rng: random.Random, data: bytes) -> bytes:
    """Writes a striking number of 1 to 8 bytes over the header, in either order of bytes."""
    size, place = rng.choice((1, 2, 4, 8)), rng.randrange(max(min(len(data), 256), 1))
    number = rng.choice(LIES) % 2 ** (8 * size)
    value = number.to_bytes(size, rng.choice(("little", "big")))
    return data[:place] + value + data[place + size :]


def digits(rng: random.Random, data: bytes) -> bytes:
    """Replaces a number that is written in text, as in headers of PPM, PFM, NPY and JSON."""
    places = [i for i, byte in enumerate(data[:512]) if 48 <= byte <= 57]
    if not places:
        return flip(rng, data)
    first = rng.choice(places)
    last = first
    while last < len(data) and 48 <= data[last] <= 57:
        last += 1
    text = rng.choice((b"0", b"-1", b"99999999", b"1e9", b"nan", b"2147483648", b"9" * 40, b""))
    return data[:first] + text + data[last:]


KINDS = (truncate, flip, splice, lie, digits)


def changed_json(rng: random.Random, value: Any) -> str:
    """Returns JSON text in which one to three values are of another type, missing or renamed, and
    sometimes the text itself is damaged.
    """
    value = json.loads(json.dumps(value))
    for _ in range(rng.randint(1, 3)):
        value = _changed(rng, value)
    text = json.dumps(value)
    if rng.random() < 0.15:
        return damaged(rng, text.encode()).decode("latin-1")
    return text if rng.random() > 0.03 else "[" * 100_000


def _changed(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(sorted(value))
        kind = rng.randrange(8)
        if kind == 0:
            return {key: each for key, each in value.items() if key != name}
        if kind == 1:
            return {**value, name + "x": value[name]}
        return {**value, name: _changed(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.6:
        place = rng.randrange(len(value))
        return [*value[:place], _changed(rng, value[place]), *value[place + 1 :]]
    return rng.choice(VALUES)
