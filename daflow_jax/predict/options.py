"""What a person may set at a call of a model: the options that its entry declares, checked."""

import numbers
from collections.abc import Mapping
from typing import Any, NamedTuple

from daflow_jax import errors, models
from daflow_jax.models import CallOption


class Options(NamedTuple):
    """The options of one call, without those that are left to the network.

    static: (name, value) in order; each different value has its own program. arrays: values that
    were read from files, inputs of the program.
    """

    static: tuple[tuple[str, Any], ...] = ()
    arrays: Mapping[str, Any] = {}

    def get(self, name: str) -> Any:
        """Returns the value of an option, None if it is left to the network."""
        return {**dict(self.static), **self.arrays}.get(name)


def defaults(config: Any, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what options are unless a call says otherwise: what the weights came with, or what
    the configuration has under the option's name."""
    stored = meta.get("defaults", {})
    names = [option.name for option in models.entry_of(config).call_options]
    known = {name: stored.get(name, getattr(config, name, None)) for name in names}
    return {name: value for name, value in known.items() if value is not None}


def chosen(config: Any, known: Mapping[str, Any], given: Mapping[str, Any], model: str) -> Options:
    """Returns the options of a call: `given`, where None is left out, over the defaults `known`.

    Raises UserError for an option that the model has not, for a value that is too small, and for
    options that do not go together.
    """
    entry = models.entry_of(config)
    asked = {name: value for name, value in given.items() if value is not None}
    declared = {option.name: option for option in entry.call_options}
    for name, value in asked.items():
        if name not in declared:
            raise unknown(name, list(declared), model)
        asked[name] = _checked(declared[name], value)
    values = {**known, **asked}
    if entry.check_call is not None:
        models.loaded(entry.check_call)(config, values)
    files = {name for name, option in declared.items() if option.files}
    static = tuple(sorted((n, v) for n, v in values.items() if n not in files))
    return Options(static, {n: v for n, v in values.items() if n in files})


def unknown(name: str, declared: list[str], model: str) -> errors.UserError:
    """Returns the refusal of an option that a model has not, which names those that it has."""
    remedy = errors.nearest(name, declared) if declared else "It has none; leave it out"
    return errors.UserError(name, f"is not an option of {model}", remedy)


def _checked(option: CallOption, value: Any) -> Any:
    if option.files:
        return value
    if option.type is bool:
        if not isinstance(value, bool):
            raise errors.UserError(f"{option.name} {value!r}", "is not True or False", "Pass one")
        return value
    kind: Any = numbers.Integral if option.type is int else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind):
        word = "a whole number" if option.type is int else "a number"
        raise errors.UserError(f"{option.name} {value!r}", f"is not {word}", "Pass one")
    if value < option.least:
        rule = f"must be {option.least:g} or more"
        raise errors.UserError(f"{option.name} {value:g}", rule, "Raise it")
    if not value <= option.most:
        rule = f"must be {option.most:g} or less"
        raise errors.UserError(f"{option.name} {value:g}", rule, "Lower it")
    return option.type(value)
