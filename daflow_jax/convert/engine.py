"""Applies a table of naming rules to a published state dict, strictly in both directions."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors

Layout = Callable[[np.ndarray], np.ndarray]
Rule = tuple[str, str, Layout]  # full-match pattern of the published name, our path, layout
Dead = tuple[str, str]  # full-match pattern, why nothing reads it


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


class Converted(NamedTuple):
    """parameters: our path -> array; dead: published name -> why it was left out."""

    parameters: dict[str, np.ndarray]
    dead: dict[str, str]


def convert(
    state: Mapping[str, np.ndarray],
    rules: Sequence[Rule],
    target: Mapping[str, tuple[int, ...]],
    dead: Sequence[Dead] = (),
) -> Converted:
    """Returns the parameters named and shaped as `target`.

    Every published tensor must be used or listed in `dead`; every target must be filled. Two
    tensors may fill one target only if they are equal. Raises UserError with the first names of
    each kind.
    """
    filled: dict[str, np.ndarray] = {}
    left_out: dict[str, str] = {}
    problems: list[str] = []
    for name, tensor in state.items():
        reason = next((why for pattern, why in dead if re.fullmatch(pattern, name)), None)
        if reason is not None:
            left_out[name] = reason
            continue
        path, array = _apply(name, tensor, rules)
        if path is None or path not in target:
            problems.append(f"unused {name}")
        elif array.shape != tuple(target[path]):
            problems.append(f"{name} has shape {array.shape}, {path} needs {tuple(target[path])}")
        elif path in filled and not np.array_equal(filled[path], array):
            problems.append(f"{name} differs from its twin for {path}")
        elif not np.isfinite(array).all():
            problems.append(f"{name} holds non-finite values")
        else:
            filled[path] = array
    problems += [f"unset {path}" for path in target if path not in filled]
    if problems:
        raise errors.UserError(
            "convert",
            f"{len(problems)} mismatches ({'; '.join(problems[:5])})",
            "Check that the file belongs to this architecture",
        )
    return Converted(filled, left_out)


def _apply(name, tensor, rules):
    for pattern, path, layout in rules:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(path), layout(tensor)
    return None, tensor


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
