"""Table and heat map of an analysis of features."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daflow_jax.evaluate.degradations import Degradation
from daflow_jax.evaluate.report import markdown

FORMS = ("plain", "standardised", "centred")
PANELS = (("standardised", "moving"), ("standardised", "pck"), ("centred", "pck"))
Line = tuple[str, str, int, Any, str]  # model, network, steps, block, kind


def table(found: Sequence[dict[str, Any]]) -> str:
    """Returns Markdown: per degradation what is known without a network, then a row per network and
    kind of features: moving PCK with its interval, then EPE / PCK / moving PCK by form."""
    parts = []
    for entry in found:
        parts.append(f"### {_title(entry)}\n")
        parts += _facts(entry)
        head = ["features", "moving", *(f"{form}: EPE / PCK / moving" for form in FORMS)]
        body = [
            [name, _spread(x), _cell(x)] + ["-"] * (len(FORMS) - 1)
            for name, x in entry["references"].items()
        ]
        for line in _lines(entry):
            own = _forms(entry, line)
            body.append(
                [
                    _label(line),
                    _spread(own.get("standardised")),
                    *(_cell(own.get(f)) for f in FORMS),
                ]
            )
        parts.append(markdown(head, body))
    return "\n".join([*parts, _NOTE])


_NOTE = (
    "EPE in pixels / PCK in percent (error below one token's side) / PCK of tokens that move by "
    "more than one side (zero flow finds none of them), over visible tokens: means of samples per "
    "data set, then over data sets. Moving: of standardised features (averaged windows are "
    "standardised, patches compared by squared differences), with a 95 % interval by "
    "bootstrap over samples. Standardised: each channel of each frame has mean 0 and deviation 1. "
    "Centred: without the mean at each position. Shuffled: the weights of each layer in disorder.\n"
)


def heat_map(path: Path, found: Sequence[dict[str, Any]]) -> None:
    """Writes a picture: a row of panels per degradation and model; PCK of networks by features."""
    from matplotlib.figure import Figure

    groups = [
        (entry, model)
        for entry in found
        for model in dict.fromkeys(row["model"] for row in entry["rows"])
    ]
    most = max(len(_of_model(entry, model)) for entry, model in groups)
    size = (4.4 * len(PANELS), (1.1 + 0.3 * most) * len(groups))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(groups), len(PANELS), squeeze=False)
    for axes, (entry, model) in zip(grid, groups, strict=True):
        for place, (form, metric) in zip(axes, PANELS, strict=True):
            _panel(place, entry, model, form, metric)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _panel(axes, entry, model, form, metric):
    taps = _of_model(entry, model)
    networks = list(dict.fromkeys((n, s) for _, n, s, *_ in _lines(entry, model)))
    values = [
        [_value(entry, (model, *network, *tap), form, metric) for network in networks]
        for tap in taps
    ]
    bar = entry["references"]["raw patches"][metric] or 0.0
    worst = 2 * max(bar, 1e-6)  # in the middle of the colours: raw patches
    axes.imshow(values, cmap="RdYlGn", vmin=0, vmax=worst, aspect="auto", alpha=0.7)
    axes.set_xticks(range(len(networks)), [f"{n}, {_count(s)}" for n, s in networks], fontsize=7)
    axes.set_yticks(range(len(taps)), [f"{b} {_words(kind)}" for b, kind in taps], fontsize=7)
    words = {"pck": "PCK, %", "moving": "PCK of moving tokens, %"}[metric]
    head = f"{_title(entry)}, {model}\n{words}, {form} (raw patches {100 * bar:.0f})"
    axes.set_title(head, fontsize=7)
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            text = "-" if math.isnan(value) else f"{100 * value:.0f}"
            axes.text(x, y, text, ha="center", va="center", fontsize=7)


def _lines(entry, model: str | None = None) -> list[Line]:
    names = ("model", "network", "steps", "block", "kind")
    lines = dict.fromkeys(tuple(row[name] for name in names) for row in entry["rows"])
    return [line for line in lines if model in (None, line[0])]


def _of_model(entry, model) -> list[tuple[Any, str]]:
    return list(dict.fromkeys((line[3], line[4]) for line in _lines(entry, model)))


def _forms(entry, line: Line) -> dict[str, dict[str, Any]]:
    names = ("model", "network", "steps", "block", "kind")
    return {row["form"]: row for row in entry["rows"] if tuple(row[name] for name in names) == line}


def _value(entry, line, form, metric) -> float:
    value = _forms(entry, line).get(form, {}).get(metric)
    return math.nan if value is None else value


def _label(line: Line) -> str:
    model, network, steps, block, kind = line
    return f"{model}, {network}, {_count(steps)}, block {block}, {_words(kind)}"


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


def _words(kind: str) -> str:
    return kind.replace("_", "-")


def _count(steps) -> str:
    return f"{steps} step" if steps == 1 else f"{steps} steps"


def _spread(values) -> str:
    """Returns the moving PCK and its interval."""
    if values is None or values["moving"] is None:
        return "-"
    interval = values["intervals"].get("moving")
    shown = "" if interval is None else " [{:.0f}, {:.0f}]".format(*(100 * x for x in interval))
    return f"{100 * values['moving']:.1f}{shown}"


def _cell(values) -> str:
    if values is None or values["epe"] is None:
        return "-"
    moving = "-" if values["moving"] is None else f"{100 * values['moving']:.1f}"
    return f"{values['epe']:.2f} / {100 * values['pck']:.1f} / {moving}"


def _number(value) -> str:
    return "-" if value is None else f"{value:.2f}"
