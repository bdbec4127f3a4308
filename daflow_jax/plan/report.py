"""Plans as text for people: one row per mesh, then what the best one exchanges and holds."""

from collections.abc import Sequence
from typing import Any

from daflow_jax.plan import meshes

GIB = 2**30
Report = dict[str, Any]
_HEADS = (
    "mesh", "GiB a device", "limit", "parameters", "optimizer", "average", "other", "sent GiB",
    "TFLOP", "compiled/analytic", "estimate s", "S x S",
)  # fmt: skip


def best(reports: Sequence[Report]) -> Report | None:
    """Returns the plan that leaves most of a device's memory free, None if none fits.

    Without a limit, the plan that takes least.
    """
    fitting = [report for report in reports if headroom(report) is not None]
    return max(fitting, key=lambda report: headroom(report) or 0.0, default=None)


def headroom(report: Report) -> float | None:
    """Returns the bytes that a plan leaves free of a device, None if it failed or does not fit."""
    if "failed" in report:
        return None
    left = (report["memory"]["limit"] or 0.0) - report["memory"]["peak"]
    return None if report["memory"]["limit"] and left < 0 else left


def table(reports: Sequence[Report]) -> str:
    """Returns one line per plan, aligned, in GiB and TFLOP a step on all devices."""
    rows = [_HEADS, *(row(report) for report in reports)]
    widths = [max(len(line[i]) for line in rows if len(line) > 2) for i in range(len(_HEADS))]
    lines = []
    for line in rows:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(reports: Sequence[Report]) -> str:
    """Returns the same table in Markdown, with the program and the slice in front."""
    heads = ("program", "slice", "effort", *_HEADS)
    lines = [" | ".join(heads), " | ".join(["---"] * len(heads))]
    for report in reports:
        cells = row(report)
        cells += ("",) * (len(_HEADS) - len(cells))
        effort = f"{report.get('effort', -1):g}"
        lines.append(" | ".join((program(report), report["topology"], effort, *cells)))
    return "\n".join(f"| {line} |" for line in lines)


def program(report: Report) -> str:
    """Returns what was planned in few words: "lift_base" or "flow_base predict 1088x1920 F=2"."""
    name = report["config"].rsplit("/", 1)[-1].removesuffix(".py")
    eight = [x.partition("=")[2] for x in report.get("overrides", ()) if "precision=" in x]
    name = " ".join((name, *eight))
    if not report["predict"]:
        return name
    height, width = report["predict"]
    frames = f" F={report['frames']}" if report["frames"] else ""
    return f"{name} predict {height}x{width}{frames}"


def row(report: Report) -> tuple[str, ...]:
    """Returns the cells of one plan: two of a failed one, its mesh and why."""
    name = meshes.text(report["mesh"])
    if "failed" in report:
        return name, f"failed: {report['failed']}"
    memory, flops, estimate = (report[key] for key in ("memory", "flops", "estimate"))
    parameters = memory["parameters"] + memory.get("frozen", 0)
    held = (parameters, memory.get("optimizer", 0), memory.get("average", 0))
    other = memory["peak"] - sum(held)
    limit = memory["limit"]
    square = report["square"]
    return (
        name,
        _gib(memory["peak"]),
        "-" if limit is None else _gib(limit),
        *(_gib(size) for size in (*held, other)),
        _gib(sum(x["bytes"] for x in report["collectives"])),
        f"{flops['analytic'] / 1e12:.4g}",
        f"{flops['compiled'] / flops['analytic']:.3f}",
        "-" if estimate is None else f"{estimate['step']:.3g} ({estimate['bound']})",
        "-" if square is None else f"{len(square)} buffers" if square else "none",
    )


def details(report: Report) -> str:
    """Returns exchanges by kind and mesh axis, the largest buffers, and the three estimates."""
    slices = report["mesh"].get("dcn", 1)
    lines = ["sent by one device in a step:"]
    if slices > 1:
        far = sum(x["bytes"] for x in report["collectives"] if "dcn" in x["axes"])
        near = sum(x["bytes"] for x in report["collectives"]) - far
        lines[0] = f"sent by one device in a step: {_gib(far)} GiB over the data center's network "
        lines[0] += f"(dcn), {_gib(near)} GiB inside of its slice (ici):"
    for x in report["collectives"]:
        over = " x ".join(x["axes"])
        lines.append(f"  {_gib(x['bytes']):>7} GiB  {x['count']:>5}  {x['kind']} over {over}")
    lines.append("largest buffers of one device:")
    lines += [
        f"  {_gib(x['bytes']):>7} GiB  {x['shape']}  {x['made_by']}" for x in report["largest"]
    ]
    formats = report["flops"].get("formats", {})
    whole = sum(formats.values()) or 1.0
    shares = (f"{kind} {x / whole:.1%}" for kind, x in sorted(formats.items(), key=lambda i: -i[1]))
    if formats:
        lines.append(f"compiled products by what is multiplied: {', '.join(shares)}")
    estimate = report["estimate"]
    if estimate:
        names = ("compute", "memory", "links", "dcn")
        parts = ", ".join(f"{name} {estimate[name]:.3g} s" for name in names if name in estimate)
        lines.append(f"estimate at published rates, a lower bound that is never reached: {parts}")
    return "\n".join(lines)


def advice(reports: Sequence[Report]) -> str:
    """Returns which of the meshes to take, as options of a training or of a prediction."""
    chosen = best(reports)
    if chosen is None:
        return "no mesh fits: see docs/plans.md on what lowers memory"
    name = meshes.text(chosen["mesh"])
    left = headroom(chosen)
    room = (
        f" ({_gib(left)} GiB of a device stay free)" if chosen["memory"]["limit"] and left else ""
    )
    if chosen["predict"]:
        return f"most headroom: --mesh {name}{room}"
    sizes = " ".join(f"--config.mesh.{axis}={size}" for axis, size in chosen["mesh"].items())
    return f"most headroom: {name}{room}: {sizes}"


def _gib(size: int | float) -> str:
    return f"{size / GIB:.2f}" if size >= GIB / 100 or not size else f"{size / GIB:.1g}"
