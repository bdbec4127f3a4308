"""Table and heat map of an analysis of features."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daflow_jax.evaluate.degradations import Degradation
from daflow_jax.evaluate.report import markdown

FORMS = ("plain", "centred")


def table(found: Sequence[dict[str, Any]]) -> str:
    """Returns Markdown: per degradation what is known without a network, then a row per network,
    number of steps and block, with EPE / PCK by kind and form."""
    parts = []
    for entry in found:
        parts.append(f"### {_title(entry)}\n")
        parts += _facts(entry)
        columns = [(kind, form) for form in FORMS for kind in _kinds(entry)]
        head = ["features", *(f"{_words(kind)}, {form}" for kind, form in columns)]
        body = [
            [name, _cell(x)] + ["-"] * (len(columns) - 1) for name, x in entry["references"].items()
        ]
        lines = dict.fromkeys((r["network"], r["steps"], r["block"]) for r in entry["rows"])
        for network, steps, block in lines:
            own = _of(entry, network, steps, block)
            name = f"{network}, {_count(steps)}, block {block}"
            body.append([name, *(_cell(own.get(column)) for column in columns)])
        parts.append(markdown(head, body))
    return "\n".join([*parts, _NOTE])


_NOTE = (
    "EPE in pixels / PCK in percent (error below one token's side), over visible tokens: means of "
    "samples per data set, then over data sets. Centred: without the mean at each position.\n"
)


def heat_map(path: Path, found: Sequence[dict[str, Any]]) -> None:
    """Writes a picture: a row per degradation, network and number of steps; PCK and EPE of blocks
    by kinds, plain and centred."""
    from matplotlib.figure import Figure

    lines = [
        (entry, *line)
        for entry in found
        for line in dict.fromkeys((r["network"], r["steps"]) for r in entry["rows"])
    ]
    panels = [(form, metric) for form in FORMS for metric in ("pck", "epe")]
    blocks = len({row["block"] for row in found[0]["rows"]})
    size = (3.2 * len(panels), (1.3 + 0.32 * blocks) * len(lines))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(lines), len(panels), squeeze=False)
    for axes, (entry, network, steps) in zip(grid, lines, strict=True):
        for place, (form, metric) in zip(axes, panels, strict=True):
            _panel(place, entry, network, steps, form, metric)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _panel(axes, entry, network, steps, form, metric):
    blocks, kinds = sorted({row["block"] for row in entry["rows"]}), _kinds(entry)
    cells = [[_value(entry, network, steps, b, (k, form), metric) for k in kinds] for b in blocks]
    bar = entry["references"]["raw patches"][metric] or 0.0
    worst = 2 * max(bar, 1e-6)
    colours = "RdYlGn" if metric == "pck" else "RdYlGn_r"  # in their middle: raw patches
    axes.imshow(cells, cmap=colours, vmin=0, vmax=worst, aspect="auto", alpha=0.7)
    axes.set_xticks(range(len(kinds)), [_words(kind) for kind in kinds], fontsize=7)
    axes.set_yticks(range(len(blocks)), [f"block {b}" for b in blocks], fontsize=7)
    unit = "PCK, %" if metric == "pck" else "EPE, px"
    shown = f"{_scaled(bar, metric)}"
    head = f"{_title(entry)}, {network}, {_count(steps)}\n{unit}, {form} (raw patches {shown})"
    axes.set_title(head, fontsize=7)
    for y, line in enumerate(cells):
        for x, value in enumerate(line):
            text = "-" if math.isnan(value) else _scaled(value, metric)
            axes.text(x, y, text, ha="center", va="center", fontsize=7)


def _value(entry, network, steps, block, column, metric) -> float:
    value = _of(entry, network, steps, block).get(column, {}).get(metric)
    return math.nan if value is None else value


def _scaled(value, metric) -> str:
    return f"{100 * value:.0f}" if metric == "pck" else f"{value:.1f}"


def _of(entry, network, steps, block):
    line = (network, steps, block)
    return {
        (row["kind"], row["form"]): row
        for row in entry["rows"]
        if (row["network"], row["steps"], row["block"]) == line
    }


def _facts(entry) -> list[str]:
    lines = []
    if "restoration" in entry:
        values = {k: _number(x) for k, x in entry["restoration"].items()}
        lines.append(
            f"PSNR of the input {values['psnr_lq']} dB, restored in one step {values['psnr']} dB.\n"
        )
    if "exchange" in entry:
        own, foreign = (_number(entry["exchange"][k]) for k in ("epe", "epe_exchanged"))
        lines.append(f"EPE of the flow {own} px, with the features of another clip {foreign} px.\n")
    return lines


def _title(entry) -> str:
    return str(Degradation(entry["recipe"], entry["level"]))


def _kinds(entry) -> list[str]:
    return list(dict.fromkeys(row["kind"] for row in entry["rows"]))


def _words(kind: str) -> str:
    return kind.replace("_", "-")


def _count(steps) -> str:
    return f"{steps} step" if steps == 1 else f"{steps} steps"


def _cell(values) -> str:
    if values is None or values["epe"] is None:
        return "-"
    return f"{values['epe']:.2f} / {100 * values['pck']:.1f}"


def _number(value) -> str:
    return "-" if value is None else f"{value:.2f}"
