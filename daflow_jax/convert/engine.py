"""Applies a table of naming rules to a published state dict, strictly in both directions.

First a plan is made from names and shapes alone; then the arrays follow one by one, so that a
checkpoint larger than the memory can be converted.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors

Layout = Callable[[np.ndarray], np.ndarray]  # a view of the published array in our order of axes
Rule = tuple[str, str, Layout]  # full-match pattern of the published name, our path, layout
Ignored = tuple[str, str]  # full-match pattern, why nothing reads it
Initial = tuple[str, str | None]  # full-match pattern of our path, the path it copies (None: zeros)


def conv(x: np.ndarray) -> np.ndarray:
    """Returns (kh, kw, in, out) from PyTorch's (out, in, kh, kw); depth-wise (c, 1, ...) too."""
    return x.transpose(2, 3, 1, 0)


def dense(x: np.ndarray) -> np.ndarray:
    """Returns (in, out) from (out, in)."""
    return x.T


def dense_from_conv(x: np.ndarray) -> np.ndarray:
    """Returns (in, out) from a 1 x 1 convolution (out, in, 1, 1)."""
    return x[:, :, 0, 0].T


def same(x: np.ndarray) -> np.ndarray:
    """Returns the array unchanged."""
    return x


class Plan(NamedTuple):
    """Where everything comes from.

    sources: our path -> the published names that fill it (twins if several) and their layout;
    initial: our path -> our path that it copies, None for zeros; shapes: our path -> shape;
    ignored: published name -> why it is left out.
    """

    sources: dict[str, tuple[tuple[str, ...], Layout]]
    initial: dict[str, str | None]
    shapes: dict[str, tuple[int, ...]]
    ignored: dict[str, str]


class Misfit(errors.UserError):
    """A checkpoint that does not belong to the architecture; `problems` lists every mismatch."""

    def __init__(self, problems: Sequence[str]):
        super().__init__(
            "convert",
            f"{len(problems)} mismatches ({'; '.join(problems[:5])})",
            "Check that the file belongs to this architecture",
        )
        self.problems = problems


class BadValues(errors.UserError):
    """Twins that differ, or values that are not finite."""


def plan(
    state: Mapping[str, np.ndarray],
    rules: Sequence[Rule],
    target: Mapping[str, tuple[int, ...]],
    ignored: Sequence[Ignored] = (),
    initial: Sequence[Initial] = (),
) -> Plan:
    """Returns the plan that fills `target`, in its order; no value is read.

    Every published tensor must be used or listed in `ignored`; every target must be filled, by a
    tensor or by a rule of `initial`. Raises Misfit, a UserError, with the first names of each kind.
    """
    sources: dict[str, tuple[tuple[str, ...], Layout]] = {}
    left_out: dict[str, str] = {}
    problems: list[str] = []
    misshapen: set[str] = set()
    for name in state:
        reason = _first(ignored, name)
        if reason is not None:
            left_out[name] = reason
            continue
        path, layout = _place(name, rules)
        if path is None or path not in target:
            problems.append(f"unused {name}")
            continue
        problem = _problem(name, state[name], path, layout, target[path])
        if problem:
            problems.append(problem)
            misshapen.add(path)
        else:
            sources[path] = (*sources.get(path, ((), layout))[0], name), layout
    filled = {}
    for path in target:
        if path not in sources:
            match = next((m for p, to in initial if (m := _initial(p, to, path))), None)
            if match:
                filled[path] = match[0]
            elif path not in misshapen:
                problems.append(f"unset {path}")
    if problems:
        raise Misfit(problems)
    return Plan(sources, filled, {k: tuple(v) for k, v in target.items()}, left_out)


def arrays(state: Mapping[str, np.ndarray], plan: Plan) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (our path, array) in the order of the plan, one in memory at a time.

    Raises BadValues, a UserError, for twins that differ and for values that are not finite.
    """
    for path, shape in plan.shapes.items():
        if path in plan.sources:
            yield path, _read(state, path, plan)
        elif (copied := plan.initial[path]) is None:
            yield path, np.broadcast_to(np.float32(0), shape)
        else:
            yield path, _read(state, copied, plan)


class Converted(NamedTuple):
    """parameters: our path -> array; ignored: published name -> why it was left out."""

    parameters: dict[str, np.ndarray]
    ignored: dict[str, str]


def convert(
    state: Mapping[str, np.ndarray],
    rules: Sequence[Rule],
    target: Mapping[str, tuple[int, ...]],
    ignored: Sequence[Ignored] = (),
    initial: Sequence[Initial] = (),
) -> Converted:
    """Returns all parameters in memory, named and shaped as `target`; see `plan` and `arrays`."""
    steps = plan(state, rules, target, ignored, initial)
    return Converted(dict(arrays(state, steps)), steps.ignored)


def _first(rows, name):
    return next((why for pattern, why in rows if re.fullmatch(pattern, name)), None)


def _place(name, rules):
    for pattern, path, layout in rules:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(path), layout
    return None, same


def _initial(pattern, copied, path):
    match = re.fullmatch(pattern, path)
    return (match.expand(copied) if copied else None,) if match else None


def _problem(name, array, path, layout, wanted):
    try:
        shape = tuple(layout(array).shape)
    except (ValueError, IndexError):  # fewer axes than the layout has
        shape = array.shape
    if shape != tuple(wanted):
        return f"{name} has shape {shape}, {path} needs {tuple(wanted)}"
    if array.dtype.kind not in "fV":  # V: bfloat16 of ml_dtypes
        return f"{name} holds {array.dtype}, not floating-point numbers"
    return None


def _read(state, path, plan):
    names, layout = plan.sources[path]
    array = state[names[0]]
    for twin in names[1:]:
        if not np.array_equal(array, state[twin]):
            raise BadValues(
                "convert",
                f"{twin} differs from its twin {names[0]} for {path}",
                "The file was changed after it was saved; fetch it again",
            )
    if not _finite(array):
        raise BadValues(
            "convert", f"{names[0]} holds non-finite values", "Such weights only give NaN"
        )
    return layout(array)


def _finite(array):
    rows = array.reshape(1) if array.ndim == 0 else array
    return all(np.isfinite(row).all() for row in rows)


def flatten(tree: Mapping, prefix: str = "") -> dict[str, Any]:
    """Returns "a/b/c" -> leaf for a nested dict."""
    flat = {}
    for key, value in tree.items():
        path = f"{prefix}/{key}" if prefix else key
        flat.update(flatten(value, path) if isinstance(value, Mapping) else {path: value})
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the nested dict of "a/b/c" -> leaf."""
    tree: dict = {}
    for path, value in flat.items():
        *parents, leaf = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return tree
