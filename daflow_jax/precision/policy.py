"""The number formats of a run as one policy: what is stored, what is multiplied, what comes out.

Whatever the policy says, these stay float32, because rounding them costs accuracy that nothing
wins back: softmax, norm statistics, correlation sums, coordinates and the flow that the refinement
carries, losses, metrics, the optimiser's moments and the average of the weights.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from daflow_jax import errors

Tree = Any
FLOAT32 = np.dtype(np.float32)
FORMATS = {"f32": FLOAT32, "bf16": np.dtype(jnp.bfloat16)}
FIELDS = {"p": "param", "w": "working", "f": "frozen", "c": "compute", "o": "output"}
PRESETS = {
    "float32": "p=f32,c=f32",
    "bf16_mixed": "p=f32,c=bf16",
    "bf16_master": "p=f32,w=bf16,c=bf16",
    "bf16_frozen": "p=f32,f=bf16,c=bf16",
}


@dataclasses.dataclass(frozen=True)
class Precision:
    """One policy.

    Attributes:
        param: trained parameters at rest.
        working: the copy of the parameters that a step works with: what is gathered from other
            devices, and what gradients have before they are brought to float32.
        frozen: parameters at rest that do not train.
        compute: matrix products and what lies between them.
        output: what the network's outermost call returns.
        float32: patterns of whole parameter paths ("flow/.*"); modules all of whose parameters
            match are islands: float32 at rest, in the working copy and in computation.
    """

    param: np.dtype = FLOAT32
    working: np.dtype = FLOAT32
    frozen: np.dtype = FLOAT32
    compute: np.dtype = FLOAT32
    output: np.dtype = FLOAT32
    float32: tuple[str, ...] = ()

    def stored(self, params: Tree, frozen: bool = False) -> Tree:
        """Returns trained (or frozen) parameters in the format that they rest in."""
        wanted = self.frozen if frozen else self.param
        return self._cast(params, lambda _: wanted)

    def working_copy(self, params: Tree) -> Tree:
        """Returns the parameters that a step works with, trained and frozen ones together.

        Frozen leaves that rest in a narrower format than `working` stay as they are.
        """
        narrow = min(self.working, self.frozen, key=lambda dtype: dtype.itemsize)
        return self._cast(params, lambda x: narrow if x.dtype == narrow else self.working)

    def _cast(self, params: Tree, dtype: Callable[[Any], np.dtype]) -> Tree:
        flat: dict[str, Any] = traverse_util.flatten_dict(params, sep="/")
        for path, leaf in flat.items():
            wanted = FLOAT32 if self._is_island(path) else dtype(leaf)
            flat[path] = leaf if leaf.dtype == wanted else leaf.astype(wanted)
        return traverse_util.unflatten_dict(flat, sep="/")

    def _is_island(self, path: str) -> bool:
        return any(re.fullmatch(pattern, path) for pattern in self.float32)


def parse(value: str | Mapping[str, Any]) -> Precision:
    """Returns the policy of a configuration.

    Args:
        value: a name of `PRESETS`; a text such as "p=f32,w=bf16,c=bf16" (p parameters and c
            compute are needed; w and f, working copy and frozen parameters, are p by default, o,
            the output, is f32); one format for p and c, "bf16"; or a dict of such a text under
            "policy" and patterns under "float32".

    Raises UserError naming what is unknown, with the nearest known name.
    """
    if isinstance(value, str):
        return _parse_text(value)
    for key in value:
        if key not in ("policy", "float32"):
            remedy = errors.nearest(key, ("policy", "float32"))
            raise errors.UserError(f"config.precision.{key}", "unknown field", remedy)
    patterns = value.get("float32", ())
    if isinstance(patterns, str):
        remedy = f"Write ({patterns!r},)"
        raise errors.UserError("config.precision.float32", "wants a list of patterns", remedy)
    text = value.get("policy", "float32")
    if not isinstance(text, str):
        raise errors.UserError("config.precision.policy", f"is {text!r}, no text", "Write bf16")
    policy = _parse_text(text)
    return dataclasses.replace(policy, float32=tuple(patterns))


def _parse_text(text: str) -> Precision:
    where = f"precision {text!r}"
    if "=" not in text and text not in PRESETS and text not in FORMATS:
        rule = "is neither a preset nor a format"
        raise errors.UserError(where, rule, errors.nearest(text, [*PRESETS, *FORMATS]))
    full = PRESETS.get(text, f"p={text},c={text}" if text in FORMATS else text)
    parts: dict[str, str] = {}
    for item in full.split(","):
        key, _, parts[key] = item.strip().partition("=")
    if not {"p", "c"} <= set(parts) <= set(FIELDS):
        rule = "needs p= (parameters) and c= (compute), and may have w=, f= and o="
        raise errors.UserError(where, rule, "Write p=f32,c=bf16")
    for name in parts.values():
        if name not in FORMATS:
            rule = f"unknown format {name!r}"
            raise errors.UserError(where, rule, errors.nearest(name, FORMATS))
    parts = {"w": parts["p"], "f": parts["p"], **parts}
    if FORMATS[parts["w"]].itemsize > FORMATS[parts["p"]].itemsize:
        raise errors.UserError(where, "the working copy is wider than the parameters", "Raise p=")
    return Precision(**{FIELDS[key]: FORMATS[name] for key, name in parts.items()})


@dataclasses.dataclass(frozen=True)
class Bound:
    """A network under a policy, called as a Linen module is: `init` and `apply`.

    The module must have been built with the policy's `compute` as dtype. Parameters are drawn as
    the module says, float32, so that runs under all policies start alike (`Precision.stored`).
    """

    module: nn.Module
    policy: Precision

    @property
    def config(self) -> Any:
        """The network's own configuration."""
        return cast(Any, self.module).config

    def clone(self, **changes: Any) -> "Bound":
        """Returns the network with fields of its module replaced, under the same policy."""
        return dataclasses.replace(self, module=self.module.clone(**changes))

    def init(self, *args: Any, **options: Any) -> Any:
        """Returns the variables; raises UserError for a pattern that names no whole module."""
        variables = self.module.init(*args, **options)
        islands(variables["params"], self.policy.float32)
        return variables

    def apply(self, variables: Any, *args: Any, mutable: Any = False, **options: Any) -> Any:
        """Returns what the module returns, floats in the policy's `output`; new state as it is."""
        params = variables["params"]
        inside = islands(params, self.policy.float32)
        variables = {**variables, "params": self.policy.working_copy(params)}
        with nn.intercept_methods(_Islands(inside)):
            out = self.module.apply(variables, *args, mutable=mutable, **options)
        if mutable:
            return _floats(out[0], self.policy.output), out[1]
        return _floats(out, self.policy.output)


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


class _Islands:
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
        out = self._within(call, *_floats(args, FLOAT32), **_floats(options, FLOAT32))
        return jax.tree.map(lambda x, y: x.astype(y.dtype) if _is_float(x) else x, out, like)

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
    if any(_is_float(x) for x in jax.tree.leaves((args, options))):
        return
    path = "/".join(module.path)
    parent = "/".join((*module.path[:-1], ".*"))
    rule = f"{path} is given no arrays: its parent applies its parameters"
    raise errors.UserError("config.precision.float32", rule, f"Name the parent, {parent}")


def _is_float(x: Any) -> bool:
    return isinstance(x, jax.Array | np.ndarray) and jnp.issubdtype(x.dtype, jnp.floating)


def _floats(tree: Tree, dtype: np.dtype) -> Tree:
    """Returns the tree with its floating arrays cast; everything else as it is."""
    return jax.tree.map(lambda x: x.astype(dtype) if _is_float(x) else x, tree)
