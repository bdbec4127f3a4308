"""How much arithmetic a traced function asks for, before any compiler touches it."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core
from jax.interpreters import partial_eval

Jaxpr = core.Jaxpr | core.ClosedJaxpr


def count(function: Callable[..., Any], *args: Any) -> float:
    """Returns the FLOPs of one call of `function`: matrix products and convolutions, two per
    multiply-add; element-wise work counts as nothing.

    Args:
        args: arrays or ShapeDtypeStructs; nothing is computed.

    A loop counts as often as it runs, a branch as its largest side, a choice by platform as its
    default form, a sharded region on all of its devices, a Pallas kernel by its own estimate,
    without one by its body at every point of its grid. Positions of a convolution that fall on
    padding or between dilated samples are left out, as compilers do. What is recomputed counts
    again: `train.model_flops` leaves it out. Raises ValueError where products stand in a loop of
    unknown length.
    """
    return count_jaxpr(jax.make_jaxpr(function)(*args))


def needed(function: Callable[..., Any], *args: Any) -> float:
    """Returns what `count` does, without what no result needs and compilers leave out."""
    return count_jaxpr(alive(jax.make_jaxpr(function)(*args)))


def count_jaxpr(jaxpr: Jaxpr, kernels_only: bool = False) -> float:
    """Returns the FLOPs of a traced program as `count` does, or those of its Pallas kernels."""
    return float(_Counter(kernels_only).jaxpr(jaxpr))


def alive(jaxpr: core.ClosedJaxpr) -> core.Jaxpr:
    """Returns a traced program without what no output needs, as compilers leave it out:
    recomputation traces more than it runs."""
    return partial_eval.dce_jaxpr(jaxpr.jaxpr, [True] * len(jaxpr.jaxpr.outvars))[0]


class _Counter:
    """Remembers shared sub-programs, which are traced once and called often."""

    def __init__(self, kernels_only: bool):
        self._kernels_only = kernels_only
        self._known: dict[int, tuple[Jaxpr, int]] = {}

    def jaxpr(self, jaxpr: Jaxpr) -> int:
        jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
        if id(jaxpr) not in self._known:  # the jaxpr is kept too, so that its id stays its own
            self._known[id(jaxpr)] = jaxpr, sum(self._equation(e) for e in jaxpr.eqns)
        return self._known[id(jaxpr)][1]

    def _equation(self, equation) -> int:
        name = equation.primitive.name
        if name in _PRODUCTS:
            return 0 if self._kernels_only else 2 * _PRODUCTS[name](equation)
        if name == "pallas_call":
            return _kernel(equation)
        parts = [self.jaxpr(jaxpr) for jaxpr in inner(equation)]
        if name == "while" and any(parts):
            raise ValueError("products in a loop of unknown length: write it as lax.scan")
        if name == "cond":
            by_platform = equation.params.get("branches_platforms")
            return parts[-1] if by_platform else max(parts)
        return _repeats(equation) * sum(parts)


def _repeats(equation) -> int:
    if equation.primitive.name == "scan":
        return equation.params["length"]
    if equation.primitive.name == "shard_map":
        mesh = equation.params["mesh"]
        return math.prod(mesh.shape[axis] for axis in equation.params["newly_manual_axes"])
    return 1


def inner(equation: Any) -> Iterator[Jaxpr]:
    """Yields the programs that an equation of a jaxpr calls."""
    for value in equation.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, Jaxpr):
                yield part


def _kernel(equation) -> int:
    estimate = equation.params.get("cost_estimate")
    if estimate is not None:
        return int(estimate.flops)
    grid = equation.params["grid_mapping"].grid
    return math.prod(grid) * _Counter(False).jaxpr(equation.params["jaxpr"])


def _dot(equation) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return math.prod(equation.outvars[0].aval.shape) * math.prod(left[i] for i in contracted)


def _convolution(equation) -> int:
    p, (left, right) = equation.params, (v.aval.shape for v in equation.invars[:2])
    numbers = p["dimension_numbers"]
    out = equation.outvars[0].aval.shape
    spatial = zip(
        (left[i] for i in numbers.lhs_spec[2:]),
        (right[i] for i in numbers.rhs_spec[2:]),
        (out[i] for i in numbers.out_spec[2:]),
        p["window_strides"],
        p["padding"],
        p["lhs_dilation"],
        p["rhs_dilation"],
        strict=True,
    )
    channels = right[numbers.rhs_spec[1]]  # of one group
    outputs = out[numbers.out_spec[0]] * out[numbers.out_spec[1]]
    return outputs * channels * math.prod(meetings(*one) for one in spatial)


def meetings(
    size: int,
    kernel: int,
    out: int,
    stride: int,
    padding: Sequence[int],
    spread: int,
    kernel_spread: int,
) -> int:
    """Returns how many (output, kernel) positions along one axis meet a sample of the input."""
    place = np.arange(out)[:, None] * stride + np.arange(kernel) * kernel_spread - padding[0]
    inside = (place >= 0) & (place <= (size - 1) * spread)
    return int(np.sum(inside & (place % spread == 0)))


_PRODUCTS = {"dot_general": _dot, "conv_general_dilated": _convolution}
