"""JSON files with checked types: whoever reads one names fields, types and ranges, and the file.

meta = json_file.read_object("config.json", remedy="Copy the folder again")
shards = meta.whole("shards", 1, most=10_000, default=1)
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daflow_jax.errors import UserError
from daflow_jax.io import storage
from daflow_jax.io.storage import Place

MOST_BYTES = 256 * 2**20  # [choice] the index of a checkpoint of 10^6 arrays has 100 MB
DEEPEST = 100  # [choice] levels of nesting; ours have fewer than 10
REQUIRED: Any = object()
_WORDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}


class Fields:
    """The fields of a JSON object, each asked for with its type.

    A field that is absent, of another type or out of its range is a `UserError` that names the
    file and the field. `default` is returned where the field is absent.

    Attributes:
        where: the file. prefix: of the fields' names, "arch." in a nested object.
        values: the object as it was read.
    """

    def __init__(self, where: object, values: dict[str, Any], remedy: str = "", prefix: str = ""):
        self.where, self.values, self.remedy, self.prefix = where, values, remedy, prefix

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def any(self, name: str, default: Any = REQUIRED) -> Any:
        """Returns the field, whatever it is."""
        if name in self.values:
            return self.values[name]
        if default is REQUIRED:
            raise UserError(self.where, f"has no field {self.prefix}{name}", self.remedy)
        return default

    def text(self, name: str, default: Any = REQUIRED) -> str:
        """Returns a field of text."""
        return self._typed(name, default, "text", lambda value: isinstance(value, str))

    def flag(self, name: str, default: Any = REQUIRED) -> bool:
        """Returns a field that is true or false."""
        return self._typed(name, default, "true or false", lambda value: isinstance(value, bool))

    def whole(
        self, name: str, least: int = 0, most: int = 2**31 - 1, default: Any = REQUIRED
    ) -> int:
        """Returns a whole number of `least` ... `most`."""
        kind = f"a whole number of {least} to {most}"
        return self._typed(name, default, kind, lambda value: is_whole(value, least, most))

    def number(
        self,
        name: str,
        least: float | int = -math.inf,
        most: float | int = math.inf,
        default: Any = REQUIRED,
    ) -> float | int:
        """Returns a finite number of `least` ... `most`."""
        kind = f"a number of {least:g} to {most:g}"
        return self._typed(
            name, default, kind, lambda value: is_number(value) and least <= value <= most
        )

    def numbers(
        self, name: str, least: float | int, most: float | int, default: Any = REQUIRED
    ) -> list:
        """Returns a list of finite numbers of `least` ... `most` each."""
        kind = f"a list of numbers of {least:g} to {most:g}"
        return self._typed(
            name,
            default,
            kind,
            lambda value: (
                isinstance(value, list) and all(is_number(v) and least <= v <= most for v in value)
            ),
        )

    def texts(self, name: str, default: Any = REQUIRED) -> dict[str, str]:
        """Returns an object whose values are all text."""
        kind = "an object of texts"
        return self._typed(
            name,
            default,
            kind,
            lambda value: isinstance(value, dict) and all(type(v) is str for v in value.values()),
        )

    def object(self, name: str, default: Any = REQUIRED) -> "Fields":
        """Returns the fields of a nested object."""
        value = self._typed(name, default, "an object", lambda value: isinstance(value, dict))
        return Fields(self.where, value, self.remedy, f"{self.prefix}{name}.")

    def wrong(self, name: str, value: Any, kind: str) -> UserError:
        """Returns the error of a field that is `value` where `kind` is due."""
        rule = f"{self.prefix}{name} is {shown(value)}; it has to be {kind}"
        return UserError(self.where, rule, self.remedy)

    def _typed(self, name: str, default: Any, kind: str, fits: Callable[[Any], bool]) -> Any:
        if default is not REQUIRED and name not in self.values:
            return default
        value = self.any(name)
        if not fits(value):
            raise self.wrong(name, value, kind)
        return value


def is_whole(value: Any, least: int, most: int) -> bool:
    """Returns whether `value` is a whole number of `least` ... `most`; true and 2.0 are not."""
    return type(value) is int and least <= value <= most


def is_number(value: Any) -> bool:
    """Returns whether `value` is a finite number; true is not."""
    if type(value) is int:
        return abs(value) < 2**1023
    return type(value) is float and math.isfinite(value)


def shown(value: Any) -> str:
    """Returns a JSON value for a message, on one line and short."""
    if isinstance(value, dict | list):
        return _WORDS[type(value)]
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def read(path: str | Place, remedy: str = "Copy the file again") -> Any:
    """Returns the content of a JSON file; what cannot be read is a `UserError` naming the file."""
    path = storage.place(path)
    try:
        if isinstance(path, Path) and path.is_file() and path.stat().st_size > MOST_BYTES:
            raise UserError(path, f"has more than {MOST_BYTES} bytes, too many for JSON", remedy)
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(path, "not found", "Check the name") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(path, f"cannot be read ({reason})", "Check its permissions") from error
    return loads(data, path, remedy)


def read_object(path: str | Place, remedy: str = "Copy the file again") -> Fields:
    """Returns the fields of a JSON file that holds an object; see `read`."""
    value = read(path, remedy)
    if not isinstance(value, dict):
        raise UserError(path, f"is not a JSON object but {shown(value)}", remedy)
    return Fields(path, value, remedy)


def loads(data: bytes | str, where: object, remedy: str = "") -> Any:
    """Returns the JSON value in `data`; `where` names its source in a `UserError`.

    UTF-8, with or without a byte order mark. A name given twice in one object is refused, as is
    nesting beyond `DEEPEST` levels.
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        value = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise UserError(where, f"nests deeper than {DEEPEST} levels", remedy) from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are of this kind
        raise UserError(where, f"is not JSON ({error})", remedy) from None
    if _depth_exceeds(value, DEEPEST):
        raise UserError(where, f"nests deeper than {DEEPEST} levels", remedy)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it names {shown(twice)} twice")
    return found


def _depth_exceeds(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        containers = [v for v in level if isinstance(v, dict | list)]
        if not containers:
            return False
        level = [v for c in containers for v in (c.values() if isinstance(c, dict) else c)]
    return True
