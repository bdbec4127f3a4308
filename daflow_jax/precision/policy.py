"""The number formats of a run as one policy: what is stored, what is multiplied, what comes out.

Whatever the policy says, these stay float32, because rounding them costs accuracy that nothing
wins back: softmax, norm statistics, correlation sums, coordinates and the flow that the refinement
carries, losses, metrics, the optimiser's moments and the average of the weights.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from daflow_jax import errors
from daflow_jax.precision import products as eight_bits

Tree = Any
FLOAT32 = np.dtype(np.float32)
FORMATS = {"f32": FLOAT32, "bf16": np.dtype(jnp.bfloat16)}
FIELDS = {"p": "param", "w": "working", "f": "frozen", "c": "compute", "o": "output", "q": "eight"}
PRESETS = {
    "float32": "p=f32,c=f32",
    "bf16_mixed": "p=f32,c=bf16",
    "bf16_master": "p=f32,w=bf16,c=bf16",
    "bf16_frozen": "p=f32,f=bf16,c=bf16",
    "int8_mixed": "p=f32,c=bf16,q=int8",
    "fp8_mixed": "p=f32,c=bf16,q=fp8",
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
        eight: format of some layers' matrix products, "int8" or "fp8"; "": as `compute`.
        products: patterns of whole paths of the kernels of these layers ("dit/blocks_.*").
        float32: patterns of whole parameter paths ("flow/.*"); modules all of whose parameters
            match are islands: float32 at rest, in the working copy and in computation.
    """

    param: np.dtype = FLOAT32
    working: np.dtype = FLOAT32
    frozen: np.dtype = FLOAT32
    compute: np.dtype = FLOAT32
    output: np.dtype = FLOAT32
    eight: str = ""
    products: tuple[str, ...] = ()
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
            the output, is f32, q is int8 or fp8); one format for p and c, "bf16"; or a dict of such
            a text under "policy" and patterns under "float32" and "products".

    Raises UserError naming what is unknown, with the nearest known name, and with code 3 where
    products in 8 bits lack their library.
    """
    if isinstance(value, str):
        return _parse_text(value)
    known = "policy", *_PATTERNS
    for key in value:
        if key not in known:
            remedy = errors.nearest(key, known)
            raise errors.UserError(f"config.precision.{key}", "unknown field", remedy)
    patterns = {name: _patterns(name, value.get(name, ())) for name in _PATTERNS}
    text = value.get("policy", "float32")
    if not isinstance(text, str):
        raise errors.UserError("config.precision.policy", f"is {text!r}, no text", "Write bf16")
    policy = dataclasses.replace(_parse_text(text), **patterns)
    if policy.products and not policy.eight:
        rule = f"names layers, and {text!r} has no format for their products"
        raise errors.UserError("config.precision.products", rule, "Add q=int8 or q=fp8")
    return policy


_PATTERNS = "float32", "products"


def _patterns(name: str, values: Any) -> tuple[str, ...]:
    where = f"config.precision.{name}"
    if isinstance(values, str):
        raise errors.UserError(where, "wants a list of patterns", f"Write ({values!r},)")
    for pattern in values:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            rule = f"{pattern!r} is no pattern ({error})"
            raise errors.UserError(where, rule, "Write a regular expression") from error
    return tuple(values)


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
        rule = "needs p= (parameters) and c= (compute), and may have w=, f=, o= and q="
        raise errors.UserError(where, rule, "Write p=f32,c=bf16")
    eight = parts.pop("q", "")
    if eight and eight not in eight_bits.FORMATS:
        remedy = errors.nearest(eight, eight_bits.FORMATS)
        raise errors.UserError(where, f"unknown format of products {eight!r}", remedy)
    eight_bits.check(eight)
    for name in parts.values():
        if name not in FORMATS:
            rule = f"unknown format {name!r}"
            raise errors.UserError(where, rule, errors.nearest(name, FORMATS))
    parts = {"w": parts["p"], "f": parts["p"], **parts}
    if FORMATS[parts["w"]].itemsize > FORMATS[parts["p"]].itemsize:
        raise errors.UserError(where, "the working copy is wider than the parameters", "Raise p=")
    return Precision(**{FIELDS[key]: FORMATS[name] for key, name in parts.items()}, eight=eight)
