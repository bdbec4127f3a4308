"""Whether a JSON value fits the annotation of a dataclass's field."""

import dataclasses
import typing

from daflow_jax import ranges
from daflow_jax.io.json_file import Fields


def check(kind: type, fields: Fields) -> None:
    """Raises UserError for a field of `fields` that does not fit the dataclass `kind`.

    Fields that the dataclass lacks are left to others; nested dataclasses are objects.
    """
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name not in fields:
            continue
        value, hint = fields.values[field.name], hints[field.name]
        if dataclasses.is_dataclass(hint):
            check(typing.cast(type, hint), fields.object(field.name))
        elif not ranges.fits(value, hint):
            raise fields.wrong(field.name, value, ranges.words(hint))
