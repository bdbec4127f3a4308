"""Types and ranges of the fields of a configuration, checked when it is made.

@dataclasses.dataclass(frozen=True)
class TrainConfig:
    steps: int
    decay: float = 0.0

    def __post_init__(self):
        ranges.check(self, steps=(1, 10**9), decay=(0, ranges.BELOW_1))
"""

import dataclasses
import functools
import math
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from daflow_jax import errors

ABOVE_0 = sys.float_info.min  # least of a number that may not be 0
BELOW_1 = math.nextafter(1.0, 0.0)  # most of a share that may not be all
COUNT = 10**9  # [choice] most of what a run counts: steps, and the like
Range = tuple[int | float, int | float]
_LONGEST = 10_000  # [choice] entries of a field with several values
_NAMES = {int: "whole number", float: "number", bool: "true or false", str: "text"}


class Wrong(errors.UserError, ValueError):
    """A field is not what it may be; `refusal` adds the section that it stands in."""


def wrong(field: str, value: Any, remedy: str) -> Wrong:
    """Returns the error of a field that has this value."""
    return Wrong(field, f"is {shown(value)}", remedy)


def check(config: Any, **limits: Range) -> None:
    """Raises Wrong for a field that does not fit its annotation, or is out of its range.

    A range is (least, most), both included; a field with several numbers is checked number by
    number. Floats are finite unless their range ends at infinity. None and text have no range.
    """
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    typed(type(config), values)
    for name, value in values.items():
        least, most = limits.get(name, (-sys.float_info.max, sys.float_info.max))
        if not all(least <= number <= most for number in _numbers(value)):
            raise wrong(name, value, f"Use {_span(hints(type(config))[name], least, most)}")


def typed(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values for fields of a dataclass, whole numbers as floats where floats are due.

    Raises Wrong for a value that does not fit its field's annotation.
    """
    known, out = hints(kind), dict(values)
    for name, value in values.items():
        if not fits(value, known[name]):
            raise wrong(name, value, f"Use {words(known[name])}")
        if known[name] is float:
            out[name] = float(value)
    return out


def check_choice(config: Any, **choices: Iterable[str]) -> None:
    """Raises Wrong for a field that is none of its choices, with the nearest one."""
    for name, known in choices.items():
        value = getattr(config, name)
        if value not in tuple(known):
            raise wrong(name, value, errors.nearest(str(value), known))


def check_patterns(config: Any, *names: str) -> None:
    """Raises Wrong for a field that holds a text that is not a regular expression."""
    for name in names:
        value = getattr(config, name)
        for pattern in (value,) if isinstance(value, str) else value:
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                rule = f"holds {shown(pattern)}, no regular expression: {error}"
                raise Wrong(name, rule, "Correct it") from None


def refusal(error: ValueError, where: str) -> errors.UserError:
    """Returns the error as one for the person who wrote the section `where`, "config.train"."""
    if isinstance(error, Wrong):
        return errors.UserError(f"{where}.{error.where}", error.rule, error.remedy)
    return errors.UserError(where, str(error))


def fits(value: Any, hint: Any) -> bool:
    """Returns whether a value can be what an annotation says; lists stand for tuples, and true is
    no number. Annotations of other kinds than a configuration has fit everything.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, each) for each in inner)
    if origin is typing.Literal:
        return any(type(value) is type(known) and value == known for known in inner)
    if origin is tuple:
        return _fits_tuple(value, inner)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            fits(key, inner[0]) and fits(each, inner[1]) for key, each in value.items()
        )
    if hint is float:
        whole = type(value) is int and abs(value) < 2**1023
        return whole or (type(value) is float and not math.isnan(value))
    if hint in (int, bool, str, type(None)):
        return type(value) is hint
    return not dataclasses.is_dataclass(hint) or isinstance(value, typing.cast(type, hint))


def _fits_tuple(value: Any, inner: tuple[Any, ...]) -> bool:
    if not isinstance(value, tuple | list) or len(value) > _LONGEST:
        return False
    if inner[-1:] == (...,):
        return all(fits(each, inner[0]) for each in value)
    return len(value) == len(inner) and all(map(fits, value, inner))


def words(hint: Any) -> str:
    """Returns what `fits` demands, for a message: "a whole number", "a list of 4 numbers"."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(words(each) for each in inner)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, inner))
    if origin is tuple:
        count = "" if inner[-1:] == (...,) else f"{len(inner)} "
        return f"a list of {count}{_NAMES.get(inner[0], 'entry').replace('entry', 'entrie')}s"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a table of names"
    if hint in (int, float):
        return f"a {_NAMES[hint]}"
    return _NAMES.get(hint, "null" if hint is type(None) else "a section with fields of its own")


@functools.cache
def hints(kind: type) -> dict[str, Any]:
    """Returns the annotations of a dataclass's fields by name."""
    return typing.get_type_hints(kind)


def _numbers(value: Any) -> tuple[Any, ...]:
    values = value if isinstance(value, tuple | list) else (value,)
    return tuple(each for each in values if type(each) in (int, float))


def _span(hint: Any, least: float | int, most: float | int) -> str:
    """Returns a range in words: "whole numbers of 1 to 64", "numbers above 0"."""
    kinds = {hint, *typing.get_args(hint)}
    kind = "whole numbers" if int in kinds and float not in kinds else "numbers"
    if most == sys.float_info.max:
        return f"finite {kind}"
    high = "below 1" if most == BELOW_1 else f"{most}"
    if least == ABOVE_0:
        return f"{kind} above 0" if most == math.inf else f"{kind} above 0, up to {high}"
    return f"{kind} of {least} to {high}"


def shown(value: Any) -> str:
    """Returns a value for a message, short."""
    if type(value) is int and abs(value) >= 2**128:
        return "a number of more than 128 bits"  # Python refuses to write the longest
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
