"""The rules of `daflow_jax.convert.engine` read backwards: our parameters under published names."""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from daflow_jax import errors
from daflow_jax.convert import engine
from daflow_jax.convert.engine import Layout, Rule

_LAYOUTS: dict[Layout, Callable[[np.ndarray], np.ndarray]] = {
    engine.conv: lambda x: x.transpose(3, 2, 0, 1),
    engine.dense: lambda x: x.T,
    engine.dense_from_conv: lambda x: x.T[:, :, None, None],
    engine.same: lambda x: x,
}
_GROUP = re.compile(r"\((?!\?)([^()]*)\)")  # one without a name, an option or another one inside
_REFERENCE = re.compile(r"\\(\d)")


def name_of(path: str, rules: Sequence[Rule]) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """Returns the published name that a rule gives to our path, and the inverse of its layout.

    A rule can be read backwards if its pattern is plain text and groups, and if its path names
    every group. Raises UserError for a path that no such rule makes.
    """
    for pattern, template, layout in rules:
        name = _backwards(path, pattern, template)
        if name is not None and layout in _LAYOUTS:
            return name, _LAYOUTS[layout]
    raise errors.UserError(path, "has no published name", "Only the published sizes have one")


def names(paths: Mapping[str, tuple[int, ...]], rules: Sequence[Rule]) -> dict[str, str]:
    """Returns our path -> published name, each name once."""
    found = {path: name_of(path, rules)[0] for path in paths}
    if len(set(found.values())) < len(found):
        raise ValueError("two parameters have one published name; the rules cannot be reversed")
    return found


def _backwards(path: str, pattern: str, template: str) -> str | None:
    """Returns the text that `pattern` matches whose expansion by `template` is `path`, or None."""
    match = re.fullmatch(_pattern_of_paths(pattern, template), path)
    if match is None:
        return None
    groups = match.groupdict()
    numbers = iter(range(1, len(groups) + 2))
    try:
        text = _GROUP.sub(lambda _: groups[f"g{next(numbers)}"], pattern)
    except KeyError:  # a group that the path does not name
        return None
    name = re.sub(r"\\(.)", r"\1", text)
    again = re.fullmatch(pattern, name)
    return name if again and again.expand(template) == path else None


def _pattern_of_paths(pattern: str, template: str) -> str:
    """Returns the pattern of the paths that a rule makes, its groups called g1, g2 ..."""
    inner = _GROUP.findall(pattern)
    seen: set[str] = set()
    parts = []
    for index, part in enumerate(_REFERENCE.split(template)):
        if index % 2 == 0:
            parts.append(re.escape(part))
        elif part in seen:
            parts.append(f"(?P=g{part})")
        else:
            seen.add(part)
            parts.append(f"(?P<g{part}>{inner[int(part) - 1]})")
    return "".join(parts)
