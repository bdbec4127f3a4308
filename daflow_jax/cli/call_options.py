"""Flags for the options of a model's call: those that the entries of a kind declare."""

import argparse
import re
from collections.abc import Iterable
from typing import Any

from daflow_jax.models.entry import CallOption, Kind


def add(group: argparse._ActionsContainer, kind: Kind) -> None:
    """Adds a flag for every option that some model of a kind has."""
    for option, families in _declared(kind):
        text = option.help if families is None else f"{option.help}; {', '.join(families)}"
        shown: dict[str, Any] = {"metavar": option.name[0].upper()}
        if option.type is bool:
            group.add_argument(option.flag, action="store_true", default=None, help=text)
            continue
        if option.files:
            shown = {"nargs": len(option.files), "metavar": option.files}
        group.add_argument(option.flag, type=_type(option), help=text, **shown)


def chosen(args: argparse.Namespace, kind: Kind) -> dict[str, Any]:
    """Returns {option: value} of the flags of a kind; None where none was given."""
    given = {option.name: getattr(args, option.name) for option, _ in _declared(kind)}
    files = {option.name for option, _ in _declared(kind) if option.files}
    return {n: _arrays(v) if n in files and v is not None else v for n, v in given.items()}


def record(args: argparse.Namespace, model: Any) -> dict[str, Any]:
    """Returns {option: value} of a model's kind for a record of a run: what was asked for, or the
    model's own; None where the network decides, files by their names."""
    declared = [option.name for option, _ in _declared(model.entry.kind)]
    asked = {name: getattr(args, name) for name in declared}
    own = model.defaults
    return {name: own.get(name) if value is None else value for name, value in asked.items()}


def _declared(kind: Kind) -> Iterable[tuple[CallOption, list[str] | None]]:
    """Yields each option once, with the families that have it, None where all of the kind do."""
    from daflow_jax import models

    entries = models.entries(kind)
    options = {option.name: option for entry in entries for option in entry.call_options}
    for name, option in options.items():
        having = [e.family for e in entries if name in {o.name for o in e.call_options}]
        yield option, None if len(having) == len(entries) else having


def _type(option: CallOption) -> Any:
    """Returns the argparse type of an option."""
    if option.files:
        return str

    def number(text: str) -> Any:
        whole = option.type is int
        pattern = r"-?\d+" if whole else r"-?\d+(\.\d*)?([eE]-?\d+)?"
        kind, shown = "whole number" if whole else "number", repr(text[:40])
        if not re.fullmatch(pattern, text) or float(text) < option.least:
            rule = f"{shown} is not a {kind} from {option.least:g} up"
            raise argparse.ArgumentTypeError(rule)
        if float(text) > option.most:
            rule = f"{shown} is not a {kind} from {option.least:g} to {option.most:g}"
            raise argparse.ArgumentTypeError(rule)
        return option.type(text)

    return number


def _arrays(files: Iterable[str]) -> tuple[Any, ...]:
    """Returns the one array of each file, without a leading axis of length one."""
    import numpy as np

    from daflow_jax.convert import checkpoint

    parts = []
    for file in files:
        checkpoint.read_one(file)  # refuses a file of several arrays
        (array,) = checkpoint.read(file).values()
        array = np.asarray(array, np.float32)
        parts.append(array[0] if array.ndim > 1 and len(array) == 1 else array)
    return tuple(parts)
