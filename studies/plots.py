"""Figures of the documents: one style, a colour a method, equal bytes from equal numbers."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib import ticker  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

plt.rcParams.update(
    {
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#e4e4e4",
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.4,
        "lines.markersize": 3,
        "legend.frameon": False,
        "savefig.facecolor": "white",
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "daflow",  # names inside the file do not change from run to run
    }
)
# Okabe and Ito's colours, apart from yellow, which white paper swallows: told apart by most eyes.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7b4fa3")
_BASELINES = {"zero": "#b5b5b5", "farneback": "#a98467", "dis": "#5f6b6d"}  # and dashed
LOG_RATIO = 12  # [choice] a height axis whose values span more is logarithmic


class Panel(NamedTuple):
    """One of several small pictures: curves (x, y) by name; None and NaN leave gaps."""

    title: str
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]


def colours(names: Iterable[str]) -> dict[str, str]:
    """Returns a colour by name: baselines always look alike, the others take turns in order."""
    names = list(names)
    others = [name for name in names if name not in _BASELINES]
    turns = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(others)}
    return {name: _BASELINES.get(name) or turns[name] for name in names}


def small_multiples(
    panels: Sequence[Panel],
    colour: Mapping[str, str],
    *,
    columns: int,
    labels: tuple[str, str],
    size: tuple[float, float] = (2.3, 1.8),
    marker: str = "o",
    log: bool = True,
) -> Figure:
    """Returns panels in rows, x shared, each with its own height axis and one legend for all.

    `labels` are those of the axes, `size` is a panel's width and height in inches; `log` lets
    heights of a wide range be logarithmic.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    shape = (size[0] * columns, size[1] * rows + 0.5)
    figure, grid = plt.subplots(rows, columns, figsize=shape, squeeze=False, layout="constrained")
    for axes, panel in zip(grid.flat, panels):
        _draw(axes, panel, colour, marker, log)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel(labels[0], fontsize=9)
    figure.supylabel(labels[1], fontsize=9)
    shown = {n: line for axes in grid.flat for line, n in zip(*axes.get_legend_handles_labels())}
    ordered = [name for name in colour if name in shown]
    figure.legend(
        [shown[name] for name in ordered],
        ordered,
        loc="outside upper center",
        ncols=min(len(ordered), max(2 * columns, 2)),
    )
    return figure


def _draw(axes: Axes, panel: Panel, colour: Mapping[str, str], marker: str, log: bool) -> None:
    for name, (x, y) in panel.lines.items():
        dashes = "--" if name in _BASELINES else "-"
        axes.plot(x, y, dashes, color=colour[name], marker=marker, label=name)
    axes.set_title(panel.title)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(6, steps=(1, 2, 5, 10)))
    values = [v for _, y in panel.lines.values() for v in y if v is not None and v > 0]
    if log and values and max(values) > LOG_RATIO * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
    else:
        axes.set_ylim(bottom=0)


def save(figure: Figure, path: Path, **options: Any) -> None:
    """Writes the figure without dates and versions and closes it; the suffix says the format.

    SVG takes some 10 kB a panel: a few stay small and sharp, for many PNG is smaller.
    """
    notes = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
    figure.savefig(path, metadata=notes.get(path.suffix), **options)
    plt.close(figure)
