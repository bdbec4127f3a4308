"""Errors of one flow against the truth, and their averages over pairs and data sets."""

import functools
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.metrics import flow as flow_metrics

LEFT_OUT = ("replica360", "tiny")  # a panorama and toy patterns say nothing about an average
HEADLINES = ("epe", "out1", "out3", "out5", "fl_all")


@jax.jit
def _means(flow, truth, valid, occluded):
    epe = functools.partial(flow_metrics.epe, flow, truth)
    means = {"epe": epe(valid), "fl_all": flow_metrics.fl_all(flow, truth, valid)}
    means["aae_deg"] = flow_metrics.angular_error(flow, truth, valid)
    for pixels in (1, 3, 5):
        means[f"out{pixels}"] = flow_metrics.outliers(flow, truth, valid, float(pixels))
    means |= flow_metrics.epe_by_speed(flow, truth, valid)
    if occluded is not None:
        means["epe_occluded"] = epe(valid & occluded)
        means["epe_visible"] = epe(valid & ~occluded)
    return means


def pair_sums(
    flow: np.ndarray, truth: np.ndarray, valid: np.ndarray, occluded: np.ndarray | None
) -> dict[str, tuple[float, float]]:
    """Returns (sum, pixels) of every metric for one pair; flows (h, w, 2), masks (h, w) bool."""
    hidden = None if occluded is None else jnp.asarray(occluded)
    means = _means(jnp.asarray(flow), jnp.asarray(truth), jnp.asarray(valid), hidden)
    return {name: (float(mean.total), float(mean.weight)) for name, mean in means.items()}


def ratio(sums: tuple[float, float]) -> float | None:
    """Returns the mean, None without pixels."""
    return sums[0] / sums[1] if sums[1] else None


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the errors of one method at one degradation over its pairs, each with valid pixels.

    Headlines are means of pairs per data set, then over data sets, toys and panoramas left out;
    `per_pixel` pools all pixels of the same pairs. Shares are 0..1, `outN` = above N pixels.
    """
    counted = [row for row in rows if row["dataset"] not in LEFT_OUT] or rows
    datasets = {name: _dataset(rows, name) for name in dict.fromkeys(r["dataset"] for r in rows)}
    names = dict.fromkeys(row["dataset"] for row in counted)
    worst = max(counted, key=lambda row: row["epe"])
    average = {k: _mean(datasets[name][k] for name in names) for k in HEADLINES}
    return {
        "epe": {"per_pixel": _pooled(counted, "epe"), "per_image": average["epe"]},
        **{key: average[key] for key in HEADLINES[1:]},
        "aae_deg": _mean(row["aae_deg"] for row in counted),
        "epe_by_speed": {name: _pooled(counted, name) for name in flow_metrics.SPEED_BINS},
        "epe_occluded": _pooled(counted, "epe_occluded"),
        "epe_visible": _pooled(counted, "epe_visible"),
        "outliers": {"worst_pair": worst["name"], "epe": worst["epe"]},
        "datasets": datasets,
        "left_out_of_averages": sorted({r["dataset"] for r in rows} - set(names)),
    }


def _dataset(rows, name):
    own = [row for row in rows if row["dataset"] == name]
    means = {key: _mean(row[key] for row in own) for key in HEADLINES}
    return {"pairs": len(own), **means}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _pooled(rows, key):
    sums = [row["sums"][key] for row in rows if key in row["sums"]]
    return ratio((sum(s[0] for s in sums), sum(s[1] for s in sums))) if sums else None
