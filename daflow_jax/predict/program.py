"""Compiling for fixed shapes, with a word to the person who waits and a look at the memory."""

import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax

from daflow_jax.predict import memory


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """call: the compiled function. seconds: that compiling took. need: bytes that it holds."""

    call: Callable[..., Any]
    seconds: float
    need: int


def build(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    what: str,
    device: jax.Device,
    *,
    precision: str | None = None,
    tell: Callable[..., None],
) -> Program:
    """Returns `function` compiled for `arguments` (arrays or their shapes) on `device`.

    Args:
        what: names size and batch in messages: "436x1024 (batch 2)".
        precision: of matrix products; None is the device's own.
        tell: called like `print`.

    Raises OutOfMemory if the program needs more than the device has left.
    """
    tell(f"compiling for {what} ...", end=" ")
    begun = time.perf_counter()
    exact = None if precision is None else jax.default_matmul_precision(precision)
    with exact or contextlib.nullcontext():
        compiled = jax.jit(function).lower(*arguments).compile()
    seconds = time.perf_counter() - begun
    tell(f"{seconds:.1f} s")
    need = memory.program_bytes(compiled)
    named = what.replace(" (", ", ").replace(")", "")
    tell(f"{named}, about {memory.text(need)}")
    memory.check(need, device, named)
    return Program(compiled, seconds, need)
