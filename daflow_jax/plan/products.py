"""Multiply-adds of the matrix products, convolutions and attentions in a compiled program.

For GPUs the compiler turns some of them into calls of cuBLAS and cuDNN, which name their dimensions
in attributes.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

from daflow_jax.profiling import flops

Shape = tuple[int, ...]
_TARGET = re.compile(r'custom_call_target="(__cu[^"]*)"')
_ATTENTION = re.compile(r'"intermediate_tensor_shape": ?\{[^{}]*"dimensions": ?\[([^\]]*)\]')
_CONTRACTED = re.compile(
    r'lhs_contracting_dim(?:s=\{|ensions": ?\[)([^\]}]*)[\]}]'
)  # as HLO and as cuBLAS's configuration write it
_FORWARD, _BACKWARD = 2, 5  # products of an attention; backwards its weights are made again


def kind(x: Any) -> str:
    """Returns what kind of product an `hlo.Instruction` is: "dot", "convolution", a call of a
    library by its name ("__cudnn$fmhaSoftmax"), or "" for none."""
    if x.opcode in ("dot", "convolution"):
        return x.opcode
    target = _TARGET.search(x.rest) if x.opcode == "custom-call" else None
    known = target and re.match(r"__cublas|__cudnn\$(conv|fmha)", target[1])
    return target[1] if target and known else ""


def count(x: Any, out: Shape, given: Sequence[Shape]) -> float:
    """Returns the multiply-adds of a product.

    Args:
        out: shape of its (first) result. given: shapes of its operands.

    Raises ValueError where its attributes do not name the dimensions.
    """
    name = kind(x)
    if name.startswith("__cudnn$fmha"):
        found = _ATTENTION.search(x.rest)
        if found is None:
            raise ValueError(f"no shape of the logits in {x.name}")
        times = _BACKWARD if "Backward" in name else _FORWARD
        return float(times * math.prod(_numbers(found[1])) * given[0][-1])
    if name == "dot" or name.startswith("__cublas"):
        contracted = _CONTRACTED.search(x.rest)
        over = _numbers(contracted[1]) if contracted else []
        return float(math.prod(out) * math.prod(given[0][i] for i in over))
    left, kernel = given[:2]
    if "BackwardInput" in name:  # attributes are those of the convolution that is undone
        return _convolution(x, out, kernel, left)
    if "BackwardFilter" in name:
        return _convolution(x, left, out, kernel)
    return _convolution(x, left, kernel, out)


def _convolution(x: Any, left: Shape, right: Shape, result: Shape) -> float:
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", x.rest)
    if labels is None:
        raise ValueError(f"no dim_labels in {x.name}")
    window = dict(re.findall(r"(\w+)=([\w\-]+)", _window(x.rest)))
    out = dict(zip(labels[3], result, strict=True))
    given = dict(zip(labels[1], left, strict=True))
    kernel = dict(zip(labels[2], right, strict=True))
    places = [key for key in labels[3] if key.isdigit()]
    taps = (_taps(i, given[key], kernel[key], out[key], window)
            for i, key in enumerate(sorted(places)))  # fmt: skip
    return float(out["b"] * out["f"] * kernel["i"] * math.prod(taps))


def _window(rest: str) -> str:
    match = re.search(r"window=\{([^}]*)\}", rest)
    return match[1] if match else ""


def _taps(i: int, size: int, kernel: int, out: int, window: dict[str, str]) -> int:
    def value(name: str, default: str) -> str:
        return window[name].split("x")[i] if name in window else default

    low, high = (int(n) for n in value("pad", "0_0").split("_"))
    numbers = (int(value(name, "1")) for name in ("stride", "lhs_dilate", "rhs_dilate"))
    stride, spread, kernel_spread = numbers
    return flops.meetings(size, kernel, out, stride, (low, high), spread, kernel_spread)


def _numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)]
