"""Modules that stay float32 under any policy."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from daflow_jax import errors

Tree = Any
FLOAT32 = np.dtype(np.float32)


def islands(params: Tree, patterns: tuple[str, ...]) -> Callable[[tuple[str, ...]], bool]:
    """Returns the function that tells whether the module at a path is part of an island.

    That is so if all its parameters match a pattern, or, without parameters, if its parent is.
    Raises UserError for a pattern that matches nothing, or only a part of a module.
    """
    flat = traverse_util.flatten_dict(params)
    on = {path: any(re.fullmatch(pattern, "/".join(path)) for pattern in patterns) for path in flat}
    whole: dict[tuple[str, ...], bool] = {}
    for path, matches in on.items():
        for end in range(len(path)):
            whole[path[:end]] = whole.get(path[:end], True) and matches
    for pattern in patterns:
        hit = [path for path in flat if re.fullmatch(pattern, "/".join(path))]
        where = f"config.precision.float32 {pattern!r}"
        if not hit:
            heads = sorted({path[0] for path in flat})
            remedy = "Patterns match whole paths; they begin with " + ", ".join(heads)
            raise errors.UserError(where, "matches no parameter", remedy)
        part = next((path[:-1] for path in hit if not whole[path[:-1]]), None)
        if part is not None:
            remedy = f"Write {'/'.join((*part, '.*'))}"
            raise errors.UserError(where, f"matches a part of {'/'.join(part)}", remedy)

    def inside(path: tuple[str, ...]) -> bool:
        while path not in whole and path:
            path = path[:-1]
        return whole.get(path, False)

    return inside


class Islands:
    """Makes modules on an island compute in float32 (an interceptor of Linen's methods).

    Their `dtype` is replaced, on instances that live for one call of the network only. Where an
    island is entered floats are cast up; where it is left they are cast to what the same call
    returns without the island, so that what is float32 by rule stays so.
    """

    def __init__(self, inside: Callable[[tuple[str, ...]], bool]):
        self._inside, self._entered = inside, False
        self._dtypes: dict[tuple[str, ...], Any] = {}  # of modules before they were changed

    def __call__(self, call, args, options, context):
        module = context.module
        if self._entered is None or not self._inside(module.path):
            return call(*args, **options)
        if hasattr(module, "dtype"):
            self._dtypes.setdefault(module.path, module.dtype)
            object.__setattr__(module, "dtype", FLOAT32)
        if self._entered:
            return call(*args, **options)
        if context.method_name == "setup":  # makes the parts, of the module's new dtype
            return self._within(call, *args, **options)
        _check_border(module, args, options)
        like = self._plain(module, context.method_name, args, options)
        out = self._within(call, *floats(args, FLOAT32), **floats(options, FLOAT32))
        return jax.tree.map(lambda x, y: x.astype(y.dtype) if is_float(x) else x, out, like)

    def _within(self, call, *args, **options):
        self._entered = True
        try:
            return call(*args, **options)
        finally:
            self._entered = False

    def _plain(self, module, method, args, options):
        """Returns the shapes and dtypes of the call without the island."""
        clone, variables = module.unbind()
        if module.path in self._dtypes:
            clone = clone.clone(dtype=self._dtypes[module.path])
        rngs = {name: jax.random.key(0) for name in module.scope.rngs}
        self._entered = None  # off

        def run():
            return clone.apply(variables, *args, method=method, rngs=rngs, mutable=True, **options)

        try:
            return jax.eval_shape(run)[0]
        finally:
            self._entered = False


def _check_border(module, args, options) -> None:
    if any(is_float(x) for x in jax.tree.leaves((args, options))):
        return
    path = "/".join(module.path)
    parent = "/".join((*module.path[:-1], ".*"))
    rule = f"{path} is given no arrays: its parent applies its parameters"
    raise errors.UserError("config.precision.float32", rule, f"Name the parent, {parent}")


def is_float(x: Any) -> bool:
    """Returns whether a leaf is an array of floating-point numbers."""
    return isinstance(x, jax.Array | np.ndarray) and jnp.issubdtype(x.dtype, jnp.floating)


def floats(tree: Tree, dtype: np.dtype) -> Tree:
    """Returns the tree with its floating arrays cast; everything else as it is."""
    return jax.tree.map(lambda x: x.astype(dtype) if is_float(x) else x, tree)
