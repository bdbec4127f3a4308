"""Groups of parameters with a learning rate or a weight decay of their own, by path."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import optax

from daflow_jax import errors, ranges


@dataclasses.dataclass(frozen=True)
class Group:
    """Parameters whose whole path matches one of the patterns, such as ".*/(bias|scale)".

    Attributes:
        lr_scale: what the rate is multiplied by; 0 holds them, but freezing saves memory.
        weight_decay: None = the section's.
        name: for messages.
    """

    match: tuple[str, ...] | str
    lr_scale: float = 1.0
    weight_decay: float | None = None
    name: str = ""

    def __post_init__(self):
        if isinstance(self.match, str):
            rule = f"match is {self.match!r}, a text"
            raise errors.UserError("config.optimizer.groups", rule, f"Write ({self.match!r},)")
        ranges.check(self, lr_scale=(0, 1000), weight_decay=(0, 1000))
        ranges.check_patterns(self, "match")


def decayed(groups: Sequence[Group], rest: float) -> optax.GradientTransformation:
    """Returns decoupled decay by group, and `rest` for parameters of no group."""
    values = [rest if group.weight_decay is None else group.weight_decay for group in groups]
    return _by_group(groups, (*values, rest), lambda value, update, param: update + value * param)


def scaled(groups: Sequence[Group]) -> optax.GradientTransformation:
    """Returns updates times the `lr_scale` of their group."""
    values = [group.lr_scale for group in groups]
    return _by_group(groups, (*values, 1.0), lambda value, update, _: update * value)


def _by_group(
    groups: Sequence[Group], values: Sequence[float], function: Callable[..., Any]
) -> optax.GradientTransformation:
    """Returns a transformation without state: (value of the leaf's group, update, parameter)."""

    def init(params):
        places(groups, params)
        return optax.EmptyState()

    def update(updates, state, params=None):
        found = places(groups, params)
        new = jax.tree.map(lambda i, u, p: function(values[i], u, p), found, updates, params)
        return new, state

    return optax.GradientTransformation(init, update)


def places(groups: Sequence[Group], params: Any) -> Any:
    """Returns for every parameter the number of its group, len(groups) for those of none.

    Raises UserError for a pattern that matches no trained parameter.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(params)
    paths = [jax.tree_util.keystr(keys, simple=True, separator="/") for keys, _ in leaves]
    for number, group in enumerate(groups):
        for pattern in group.match:
            if not any(re.fullmatch(pattern, path) for path in paths):
                where = f"config.optimizer.groups[{number}] {group.name or pattern!r}"
                heads = ", ".join(sorted({path.split("/")[0] for path in paths}))
                rule = f"{pattern!r} matches no trained parameter"
                remedy = f"Patterns match whole paths; they begin with {heads}"
                raise errors.UserError(where, rule, remedy)
    return jax.tree.unflatten(structure, [_place(groups, path) for path in paths])


def _place(groups: Sequence[Group], path: str) -> int:
    for number, group in enumerate(groups):
        if any(re.fullmatch(pattern, path) for pattern in group.match):
            return number
    return len(groups)
