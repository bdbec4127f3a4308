"""Tables of an evaluation of flow, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from daflow_jax.evaluate import scores as measures

_NOTE = (
    "EPE in pixels: mean of pairs per data set, then over data sets; data set columns are "
    "their EPE. Shares in percent. Left out of averages: {left_out}. Brackets: 95 % "
    "bootstrap intervals over clips. s0-10 to s40+: pixels of that true speed. Reliable: "
    "visible and not doubted by the data set. R: EPE between the estimates from clean and "
    "degraded frames, over all pixels (RobustSpring). AUSE: area between the sparsification "
    "curves of a method's own uncertainty and of its true errors, 0 = as good as the latter; "
    "brackets: that of a random order.\n"
)


def table(scores: Mapping[str, Mapping[str, dict[str, Any]]]) -> str:
    """Returns Markdown with two tables per degradation: scores[degradation][method] = summary.

    The first has a row per method, the second one per method and data set with all that is known.
    """
    parts = []
    for degradation, methods in scores.items():
        datasets = list(next(iter(methods.values()))["datasets"])
        head = ["method", "EPE", "> 1 px", "> 3 px", "> 5 px", "Fl-all", *datasets]
        rows = [_row(name, values, datasets) for name, values in methods.items()]
        parts.append(f"### {degradation}\n\n{markdown(head, rows)}")
        parts.append(_details(methods))
    parts += [*_robustness(scores), *_sparsification(scores)]
    first = next(iter(next(iter(scores.values())).values()))
    left_out = ", ".join(first["left_out_of_averages"]) or "none"
    return "\n".join([*parts, _NOTE.format(left_out=left_out)])


def _details(methods):
    head = ["method", "data set", "EPE", "> 1 px", "> 3 px", "> 5 px", "Fl-all"]
    head += ["s0-10", "s10-40", "s40+", "occluded", "visible", "reliable", "R"]
    rows = []
    for name, values in methods.items():
        overall = {**values, "epe": values["epe"]["per_image"]}
        rows.append([name, "average", *_detail(overall)])
        rows += [[name, dataset, *_detail(own)] for dataset, own in values["datasets"].items()]
    return markdown(head, rows)


def _detail(own):
    interval = own["intervals"]["epe"]
    spread = "" if interval is None else " [{:.2f}, {:.2f}]".format(*interval)
    shares = (own[key] for key in ("out1", "out3", "out5", "fl_all"))
    parts = (own[f"epe_{kind}"] for kind in ("occluded", "visible", "reliable"))
    return [
        _number(own["epe"]) + spread,
        *(_number(None if share is None else 100 * share, 1) for share in shares),
        *(_number(part) for part in (*own["epe_by_speed"].values(), *parts)),
        _number((own["robustness"] or {}).get("epe")),
    ]


def _robustness(scores):
    """Returns the table of R with a column per degradation, [] where R is not known."""
    known = {
        degradation: methods
        for degradation, methods in scores.items()
        if any(values["robustness"] for values in methods.values())
    }
    if not known:
        return []
    rows = []
    for name in next(iter(known.values())):
        own = [methods[name] for methods in known.values()]
        over = measures.over_degradations(own) or {"mean": {}, "median": {}}
        each = [(values["robustness"] or {}).get("epe") for values in own]
        each += [over[key].get("epe") for key in ("mean", "median")]
        rows.append([name, *map(_number, each)])
    return ["### R, px\n\n" + markdown(["method", *known, "mean", "median"], rows)]


def _sparsification(scores):
    """Returns the table of AUSE with a column per degradation, [] if no method is ever unsure."""
    rows = [
        [name, *(_ause(methods[name]["sparsification"]) for methods in scores.values())]
        for name in next(iter(scores.values()))
        if any(methods[name]["sparsification"] for methods in scores.values())
    ]
    return ["### AUSE\n\n" + markdown(["method", *scores], rows)] if rows else []


def _ause(block):
    return "-" if block is None else f"{block['ause']:.3f} [{block['ause_random']:.3f}]"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table; the first column is text, the others are numbers."""
    rows = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _row(name, values, datasets):
    shares = [values[key] for key in ("out1", "out3", "out5", "fl_all")]
    return [
        name,
        _number(values["epe"]["per_image"]),
        *(_number(None if share is None else 100 * share, 1) for share in shares),
        *(_number(values["datasets"].get(d, {}).get("epe")) for d in datasets),
    ]


def _number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"
