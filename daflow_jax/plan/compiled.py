"""Compiles a planned program and writes down what it will need."""

import time
from collections.abc import Callable
from typing import Any

import jax

from daflow_jax.plan import hlo
from daflow_jax.plan.program import Planned
from daflow_jax.predict import memory
from daflow_jax.profiling import flops, peak_rates

LONG = 1024  # [choice] shorter sequences may have whole logits: they are small


def report(planned: Planned, chip: peak_rates.Chip | None, limit: float | None) -> dict[str, Any]:
    """Returns memory, exchanges, FLOPs, estimated times and large buffers of the program, JAX's
    names for everything, bytes and FLOPs as numbers; compiles it.

    Args:
        chip: rates of one device. limit: bytes that its program may have.
    """
    begun = time.perf_counter()
    with jax.set_mesh(planned.mesh):
        traced = planned.jitted.trace(*planned.args)
        lowered = traced.lower()
        spent = time.perf_counter() - begun
        compiled = lowered.compile()
    seconds = {"trace": spent, "compile": time.perf_counter() - begun - spent}
    program = hlo.Program(compiled.as_text())
    sizes = dict(planned.mesh.shape)
    exchanges = program.collectives(sizes)
    cost = cost_of(compiled)
    counted = _flops(planned, traced.jaxpr, program, cost)
    moved = cost.get("bytes accessed", 0.0)
    between = sum(x.bytes for x in exchanges if "dcn" in x.axes)
    return {
        "mesh": sizes,
        "memory": _memory(compiled, planned, limit),
        "collectives": [row._asdict() for row in exchanges],
        "flops": counted,
        "estimate": roofline(
            chip,
            {kind: x / planned.mesh.size for kind, x in counted["formats"].items()},
            moved,
            sum(x.bytes for x in exchanges) - between,
            between,
        ),
        "square": _squares(planned, traced.jaxpr),
        "sequences": sorted(planned.sequences),
        "largest": [buffer._asdict() for buffer in program.largest()],
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def _memory(compiled: Any, planned: Planned, limit: float | None) -> dict[str, Any]:
    """Returns bytes of one device; what is not an argument are activations and temporaries.

    A TPU's compiler states the peak. On others a program takes all its temporaries at once.
    """
    on_tpu = planned.mesh.devices.flat[0].platform == "tpu"
    peak = _peak(compiled) if on_tpu else memory.program_bytes(compiled)
    parts = planned.parts
    return {"limit": limit, "peak": peak, **parts, "other": peak - sum(parts.values())}


def _peak(compiled: Any) -> int:
    return compiled.memory_analysis().peak_memory_in_bytes


def cost_of(compiled: Any) -> dict[str, float]:
    """Returns the compiler's own count; that of a GPU which is not there has none, so XLA's general
    one reads its program."""
    found = compiled.cost_analysis()
    if found is None:
        from jaxlib import _jax  # JAX has no public name for it

        module = compiled.runtime_executable().hlo_modules()[0]
        found = _jax.hlo_module_cost_analysis(jax.devices("cpu")[0].client, module)
    return found


def _flops(
    planned: Planned, jaxpr: Any, program: hlo.Program, cost: dict[str, float]
) -> dict[str, Any]:
    """Returns FLOPs of one step on all devices: by the formulas, as traced, as compiled.

    Compiled ones are the products in the program's text, loops as often as they run, and the
    kernels as traced. "xla" is the compiler's own count, which takes the body of a loop once and
    no kernel, but adds element-wise work. "formats" are the compiled ones by what is multiplied.
    """
    jaxpr = flops.alive(jaxpr)
    kernels, devices = flops.count_jaxpr(jaxpr, kernels_only=True), planned.mesh.size
    formats = {kind: x * devices for kind, x in program.flops().items()}
    if kernels:
        formats["kernels"] = kernels
    return {
        "analytic": planned.analytic,
        "traced": flops.count_jaxpr(jaxpr),
        "compiled": sum(formats.values()),
        "formats": formats,
        "kernels": kernels,
        "xla": cost.get("flops", 0.0) * devices,
    }


def roofline(
    chip: peak_rates.Chip | None,
    operations: dict[str, float],
    moved: float,
    sent: float,
    between: float,
) -> dict[str, Any] | None:
    """Returns seconds of a step at the published rates of one device, were each the only limit;
    the largest is a lower bound of the step's time, never reached.

    operations: FLOPs by format; those of 8 bits count at their own rate. sent: bytes inside of a
    slice. between: bytes between slices, left out where the rate of the data center's network is
    not published.
    """
    if chip is None:
        return None
    times = {
        "compute": sum(x / _rate(chip, kind) for kind, x in operations.items()),
        "memory": moved / chip.bandwidth,
        "links": sent / chip.links,
        **({"dcn": between / chip.dcn} if between and chip.dcn else {}),
    }
    return {**times, "step": max(times.values()), "bound": max(times, key=times.__getitem__)}


def _rate(chip: peak_rates.Chip, kind: str) -> float:
    eight = chip.int8 if kind in ("s8", "u8") else chip.fp8 if kind.startswith("f8") else 0.0
    return eight or chip.bf16


def _squares(planned: Planned, jaxpr: Any) -> list[str] | None:
    if not planned.sequences:
        return None
    return squares(jaxpr, planned.sequences, planned.mesh.shape["seq"])


def squares(jaxpr: Any, lengths: frozenset[int], ways: int = 1) -> list[str]:
    """Returns the arrays of a traced program that have two dimensions of a sequence's length: the
    logits of an attention that holds them whole.

    A length counts also padded to blocks, and one of the two also divided over `ways` devices.
    Arrays of which both are the sides of a weight are none.
    """
    long = {n for n in lengths if n >= LONG}
    whole = {-(-n // step) * step for n in long for step in (1, 8, *range(128, 1025, 128))}
    weights = {frozenset(x.aval.shape[-2:]) for x in jaxpr.jaxpr.invars if hasattr(x.aval, "shape")}

    def is_square(shape):
        big = [n for n in shape if n in whole]
        part = [n for n in shape if ways > 1 and n * ways in whole]
        return (len(big) > 1 or (big and part)) and frozenset(shape[-2:]) not in weights

    found: set[str] = set()
    _search(jaxpr, is_square, found, set())
    return sorted(found)


def _search(
    jaxpr: Any, wanted: Callable[[tuple[int, ...]], Any], found: set[str], seen: set[int]
) -> None:
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    if id(jaxpr) in seen:
        return
    seen.add(id(jaxpr))
    for equation in jaxpr.eqns:
        for out in equation.outvars:
            shape = getattr(out.aval, "shape", ())
            if wanted(shape):
                found.add(f"{out.aval.dtype}{list(shape)}")
        for inner in flops.inner(equation):
            _search(inner, wanted, found, seen)
