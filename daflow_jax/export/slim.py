"""A model reduced, without a change of its results, to what they need: by its entry, or by that of
a part of it."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors, models, pretrained
from daflow_jax.models import Part
from daflow_jax.models.entry import Slim


class _Target(NamedTuple):
    """What is reduced: the model's part, None for the model itself, and how."""

    part: Part | None
    slim: Slim


def config(full: Any, name: object = "the model") -> Any:
    """Returns the configuration of the reduced model; `name` names the full one in errors.

    Raises UserError for a model that cannot be reduced, or is reduced already.
    """
    target = _target(full)
    if target is None:
        rule = "has nothing that could be left out"
        raise errors.UserError(f"--model {name}", rule, "Leave --slim out")
    small = target.slim.config(_inner(full, target.part))
    if small is None:
        raise errors.UserError(f"--model {name}", "is slim already", "Leave --slim out")
    if target.part is None:
        return small
    return dataclasses.replace(full, **{target.part.config: small})


def arrays(
    full: Any, small: Any, flat: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (flat name, array) of the reduced model, one in memory at a time.

    Args:
        full, small: configurations, `small` as `config` gives it.
        flat: the full model's variables by flat name, "params/backbone/...".
    """
    target = _target(full)
    assert target is not None
    prefix = "params/" if target.part is None else f"params/{target.part.path}/"
    names = list(pretrained.shapes(small))
    inner = {key.removeprefix(prefix): x for key, x in flat.items() if key.startswith(prefix)}
    wanted = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    reduced = target.slim.arrays(_inner(full, target.part), inner, wanted)
    for name in names:
        yield name, next(reduced)[1] if name.startswith(prefix) else flat[name]


def _target(full: Any) -> _Target | None:
    entry = models.entry_of(full)
    if entry.slim is not None:
        return _Target(None, models.loaded(entry.slim))
    for part in entry.parts.values():
        inner = models.entry_of(getattr(full, part.config))
        if inner.slim is not None:
            return _Target(part, models.loaded(inner.slim))
    return None


def _inner(full: Any, part: Part | None) -> Any:
    return full if part is None else getattr(full, part.config)
