"""Matrix products of some layers in 8 bits, by Qwix (https://github.com/google/qwix, Apache 2.0).

int8: both inputs of a product, and the gradient in its backward products, int8. fp8: inputs in
e4m3, gradients in e5m2 (Micikevicius et al., FP8 Formats for Deep Learning, 2022). Every
row and column of a product has a scale of its own, its largest magnitude, found anew in every
step; sums are int32 or float32, and what a layer returns has the policy's compute format.
"""

import functools
import importlib.util
import re
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from daflow_jax import errors

FORMATS = {  # name -> of inputs, of gradients
    "int8": (jnp.int8, jnp.int8),
    "fp8": (jnp.float8_e4m3fn, jnp.float8_e5m2),
}
WHERE = "config.precision.products"


def check(name: str) -> None:
    """Raises UserError, with code 3, where Qwix is not installed."""
    if name and importlib.util.find_spec("qwix") is None:
        rule = f"products in {name} need Qwix, which is not installed"
        raise errors.UserError("config.precision", rule, "pip install 'daflow-jax[quant]'", 3)


@functools.cache
def _provider(name: str) -> Any:
    import qwix

    inputs, gradients = FORMATS[name]
    rule = qwix.QtRule(module_path=".*", weight_qtype=inputs, act_qtype=inputs, bwd_qtype=gradients)
    return qwix.QtProvider([rule])


def _product(name: str) -> Callable[..., Any]:
    """Returns the product in place of `lax.dot_general` inside of a dense layer.

    What comes in and goes out, there and back, is a value of its own: fused with a norm before it,
    the rounding of tokens ends the TPU compiler in a failed check (libtpu 0.0.42).
    """
    dot_general, whole = _provider(name).dot_general, jax.lax.optimization_barrier

    def product(lhs, rhs, dimension_numbers, **options):
        return dot_general(whole(lhs), rhs, dimension_numbers, **options)

    return product


class EightBits:
    """Makes dense layers multiply in 8 bits (an interceptor of Linen's methods).

    A layer is meant if the path of its kernel matches a pattern, and it is on no island. Its
    `dot_general` is replaced, on instances that live for one call of the network only.
    """

    def __init__(
        self, name: str, patterns: tuple[str, ...], spared: Callable[[tuple[str, ...]], bool]
    ):
        self._product = _product(name)
        self._patterns, self._spared = patterns, spared

    def __call__(self, call, args, options, context):
        module = context.module
        if isinstance(module, nn.Dense) and context.method_name == "__call__":
            path = "/".join((*module.path, "kernel"))
            if matches(path, self._patterns) and not self._spared(module.path):
                object.__setattr__(module, "dot_general", self._product)
        return call(*args, **options)


def matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Returns whether a whole path matches a pattern."""
    return any(re.fullmatch(pattern, path) for pattern in patterns)


def check_patterns(paths: list[str], patterns: tuple[str, ...]) -> None:
    """Raises UserError for a pattern that matches no kernel among parameter paths."""
    kernels = [path for path in paths if path.endswith("/kernel")]
    for pattern in patterns:
        if not any(matches(path, (pattern,)) for path in kernels):
            heads = sorted({path.split("/")[0] for path in kernels})
            remedy = "Patterns match whole paths; they begin with " + ", ".join(heads)
            raise errors.UserError(f"{WHERE} {pattern!r}", "matches no kernel", remedy)
