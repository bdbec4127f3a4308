"""The page of errors by corruption: results as one JSON, tables, curves, sheets of pictures.

Beside the page NAME.md lie NAME.json with every number, NAME-DATA.png with curves, NAME-DATA.jpg
with pictures, and NAME-sparsification.svg where a method predicts its uncertainty.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from daflow_jax.io import atomic
from studies import page as pages
from studies import plots, robustness_pictures, robustness_results

SHOWN = (3, 5)  # severities of the tables by corruption
_NOTE = """\
End-point errors in pixels; means over pairs per data set, then over data sets{left_out}.
Severity 0 is the clean frames, 1 to 5 are those of `degradations.md`. "Visible":
pixels that the next frame still shows, of the pairs that say which. Bold: the lowest. Every
number, also shares above 1, 3 and 5 pixels and 95 % bootstrap intervals over clips, is in `{json}`.
"""
_CREDIT = (
    "Frames of Sintel: © copyright Blender Foundation, [durian.blender.org]"
    "(https://durian.blender.org), CC BY 3.0, made smaller and degraded; true flow: MPI Sintel "
    "(Butler et al., ECCV 2012)."
)


def write(out: Path, page: Path) -> int:
    """Returns 0 after writing the page and its files; nothing is computed again."""
    stored = robustness_results.read(out)
    cells = "[\n" + ",\n".join(json.dumps(cell) for cell in stored["cells"]) + "\n]"
    head = json.dumps({k: v for k, v in stored.items() if k != "cells"}, indent=1)
    atomic.write_text(page.with_suffix(".json"), f'{head[:-2]},\n "cells": {cells}\n}}\n')
    note = _NOTE.format(json=page.with_suffix(".json").name, left_out=_left_out(stored))
    parts = [note, _sources(stored)]
    colour = plots.colours(stored["methods"])
    for data in stored["data"]:
        parts += _data(stored, data, colour, out, page)
    parts += _sparsification(stored, colour, page)
    tables = "\n\n".join(part.rstrip("\n") for part in parts)
    pages.fill(page, "tables", tables)
    return 0


def _left_out(stored) -> str:
    """Returns which data sets the averages leave out, in brackets; nothing where there are none."""
    names = sorted({n for about in stored["data"].values() for n in about["left_out_of_averages"]})
    return f" (without {', '.join(f'`{name}`' for name in names)})" if names else ""


def _sources(stored) -> str:
    rows = [
        [name, record.get("params"), record.get("iters"), (record.get("sha256") or "")[:12]]
        for name, record in stored["methods"].items()
    ]
    return _markdown(["method", "parameters", "iterations", "weights, sha256"], rows)


def _data(stored, data, colour, out, page) -> Iterator[str]:
    """Yields the parts of the page about one data set."""
    cells, about = robustness_results.Cells(stored, data), stored["data"][data]
    counts = ", ".join(f"{name} {count}" for name, count in about["datasets"].items())
    yield f"## {data}\n\n{about['pairs']} pairs ({counts})."
    if complete := cells.complete():
        share = f"{about['pairs_with_occlusion']} of the {about['pairs']} pairs say which"
        corruptions = f"{len(complete)} corruption" + "s" * (len(complete) > 1)
        yield f"Means over {corruptions}: EPE, then EPE of visible pixels ({share})."
        for key in ("epe_mean", "visible_mean"):
            yield _by_severity(cells, key)
    if len(cells.severities) > 1:
        file = page.with_name(f"{page.stem}-{data}.png")
        _curves(cells, colour, file)
        yield f"![EPE against severity]({file.name})"
    for severity in (s for s in SHOWN if s in cells.severities):
        yield f"Severity {severity}, EPE (median over pairs):"
        values = {kind: _pairs(cells, kind, severity) for kind in cells.types}
        rows = [
            _numbers(kind, own)
            for kind, own in values.items()
            if any(mean is not None for mean, _ in own)
        ]
        yield _markdown(["corruption", *cells.methods], rows)
    if len(about["datasets"]) > 1:
        yield "By data set, means over the corruptions, EPE (median over pairs):"
        yield _by_dataset(cells, about["datasets"])
    sheet = page.with_name(f"{page.stem}-{data}.jpg")
    if robustness_pictures.sheet(out / "pictures" / data, sheet, cells.methods) or sheet.exists():
        yield f"![frames, truth and flow of each method]({sheet.name})"
        yield "Flow at the scale of the truth: hue the direction, saturation the speed; EPE in px."
        if data != "generated":
            yield _CREDIT


def _pairs(cells, kind, severity) -> list[tuple[float | None, float | None]]:
    return [
        tuple(cells.get(name, kind, severity, f"epe_{how}") for how in robustness_results.HOW)
        for name in cells.methods
    ]


def _by_severity(cells, key) -> str:
    columns = [[cells.average(m, s, key) for m in cells.methods] for s in cells.severities]
    marked = [_marked(column) for column in columns]
    rows = [[name, *(column[i] for column in marked)] for i, name in enumerate(cells.methods)]
    return _markdown(["method", *(f"severity {s}" for s in cells.severities)], rows)


def _by_dataset(cells, datasets) -> str:
    rows = []
    for name in datasets:
        for severity in (s for s in (0, *SHOWN) if s in cells.severities):
            keys = [("datasets", name, f"epe_{how}") for how in robustness_results.HOW]
            values = [tuple(cells.average(m, severity, *k) for k in keys) for m in cells.methods]
            rows.append(_numbers(f"{name}, {severity}", values))
    return _markdown(["data set, severity", *cells.methods], rows)


def _numbers(head, values) -> list[str]:
    """Returns a row of "mean (median)", the lowest mean bold."""
    marked = _marked([mean for mean, _ in values])
    medians = ["" if median is None else f" ({median:.2f})" for _, median in values]
    return [head, *(a + b for a, b in zip(marked, medians, strict=True))]


def _marked(values: Sequence[float | None]) -> list[str]:
    least = min((f"{v:.2f}" for v in values if v is not None), key=float, default="")
    texts = ["-" if v is None else f"{v:.2f}" for v in values]
    return [f"**{text}**" if text == least else text for text in texts]


def _markdown(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    head = list(head)
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(
        "| " + " | ".join("" if v is None else str(v) for v in line) + " |" for line in lines
    )


def _curves(cells, colour, file: Path) -> None:
    """Draws EPE against severity: the mean over corruptions, then each of them."""

    def panel(title, value):
        lines = {}
        for name in cells.methods:
            points = [(s, found) for s in cells.severities if (found := value(name, s)) is not None]
            if len(points) > 1:  # clean frames alone are not a curve
                lines[name] = tuple(zip(*points, strict=True))
        return plots.Panel(title, lines)

    panels = [panel("mean", lambda m, s: cells.average(m, s, "epe_mean"))]
    for kind in cells.types:
        title = kind.removesuffix("_compression").replace("_", " ")
        panels.append(panel(title, lambda m, s, k=kind: cells.get(m, k, s, "epe_mean")))
    columns = 5 if len(panels) > 9 else 3
    labels = ("severity", "EPE, px")
    plots.save(plots.small_multiples(panels, colour, columns=columns, labels=labels), file, dpi=120)


def _sparsification(stored, colour, page) -> Iterator[str]:
    """Yields the figure of the curves of methods that predict their uncertainty, if any."""
    panels, rows = [], []
    for data in stored["data"]:
        cells = robustness_results.Cells(stored, data)
        kinds = [k for k in robustness_pictures.TYPES if k in cells.types] or cells.types[:1]
        for severity in (s for s in SHOWN if s in cells.severities and kinds):
            lines: dict[str, tuple[list[float], list[float]]] = {}
            for name in cells.methods:
                block: Any = cells.get(name, kinds[0], severity, "sparsification")
                if block:
                    lines[name] = block["removed"], block["by_uncertainty"]
                    lines[f"{name}, oracle"] = block["removed"], block["by_error"]
                    what = f"{data}, {kinds[0]}:{severity}"
                    rows.append([what, name, block["ause"], block["ause_random"]])
            if lines:
                panels.append(plots.Panel(f"{data}, {kinds[0]} {severity}", lines))
    if panels:
        file = page.with_name(f"{page.stem}-sparsification.svg")
        colour = colour | {f"{name}, oracle": f"{own}70" for name, own in colour.items()}  # paler
        labels = ("share of pixels removed, least sure first", "EPE left, relative")
        drawn = plots.small_multiples(
            panels, colour, columns=2, labels=labels, size=(3.4, 2.6), marker="", log=False
        )
        plots.save(drawn, file)
        yield "## Does the uncertainty rank the errors"
        yield f"![sparsification]({file.name})"
        yield _markdown(["condition", "method", "AUSE", "AUSE of a random order"], rows)
