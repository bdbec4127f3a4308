"""Whether a JSON value fits the annotation of a dataclass's field."""

import dataclasses
import types
import typing
from typing import Any

from daflow_jax.io.json_file import Fields, is_number

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def check(kind: type, fields: Fields) -> None:
    """Raises UserError for a field of `fields` that does not fit the dataclass `kind`.

    Fields that the dataclass lacks are left to others; nested dataclasses are objects.
    """
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name not in fields:
            continue
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            check(typing.cast(type, hint), fields.object(field.name))
        elif not fits(fields.values[field.name], hint):
            raise fields.wrong(field.name, fields.values[field.name], words(hint))


def fits(value: Any, hint: Any) -> bool:
    """Returns whether a JSON value can be what `hint` says; lists stand for tuples."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, each) for each in arguments)
    if origin is typing.Literal:
        return any(type(value) is type(known) and value == known for known in arguments)
    if origin is tuple:
        if not isinstance(value, list) or len(value) > 10_000:
            return False
        if arguments[-1:] == (...,):
            return all(fits(each, arguments[0]) for each in value)
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    if hint is float:
        return is_number(value)
    if hint in (int, bool, str, type(None)):
        return type(value) is hint
    return True  # kinds that JSON cannot check: the dataclass does


def words(hint: Any) -> str:
    """Returns what `fits` demands, for a message."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(words(each) for each in arguments)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is tuple:
        count = "" if arguments[-1:] == (...,) else f"{len(arguments)} "
        return f"a list of {count}{_WORDS.get(arguments[0], 'value').removeprefix('a ')}s"
    return _WORDS.get(hint, "null")
