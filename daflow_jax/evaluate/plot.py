"""A figure of an evaluation; needs matplotlib (extra `plots`)."""

import importlib.util
from collections.abc import Mapping
from typing import Any

from daflow_jax import errors

LABELS = {
    "epe": "EPE, px",
    "out1": "share of errors above 1 px",
    "out3": "share of errors above 3 px",
    "out5": "share of errors above 5 px",
    "fl_all": "Fl-all",
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
}


def figure(scores: Mapping[str, Mapping[str, dict[str, Any]]], metric: str = "epe") -> Any:
    """Returns a `matplotlib.figure.Figure`: a group of bars per degradation, a bar per method.

    Lines on the bars are the 95 % bootstrap intervals over clips, where they are known.

    Args:
        scores: `Results.scores`.
        metric: one of `LABELS` that the results have.

    Raises:
        UserError: an unknown metric, or matplotlib is not installed (code 3).
    """
    known = [name for name in LABELS if name in next(iter(next(iter(scores.values())).values()))]
    if metric not in known:
        raise errors.UserError(f"metric {metric}", "is unknown", errors.nearest(metric, known))
    if importlib.util.find_spec("matplotlib") is None:
        raise errors.UserError("plot", "needs matplotlib", "Install daflow-jax[plots]", 3)
    from matplotlib.figure import Figure

    names = list(next(iter(scores.values())))
    width = 0.8 / len(names)
    drawn = Figure(figsize=(max(4.0, 1.0 + 0.45 * len(scores) * len(names)), 3.2))
    axes = drawn.subplots()
    for place, name in enumerate(names):
        own = [by_method[name] for by_method in scores.values()]
        x = [k + (place - (len(names) - 1) / 2) * width for k in range(len(own))]
        values = [_value(each, metric) for each in own]
        axes.bar(x, values, width, label=name)
        for at, value, each in zip(x, values, own, strict=True):
            if (interval := each["intervals"][metric]) is not None:
                low, high = interval
                axes.plot([at, at], [min(low, value), max(high, value)], color="black", lw=0.8)
    axes.set_xticks(range(len(scores)), list(scores))
    axes.set_ylabel(LABELS[metric])
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    drawn.tight_layout()
    return drawn


def _value(summary, metric) -> float:
    value = summary["epe"]["per_image"] if metric == "epe" else summary[metric]
    return float("nan") if value is None else value
