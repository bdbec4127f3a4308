"""Errors of one flow against the truth, and their averages over pairs and data sets."""

import functools
from collections.abc import Collection, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.evaluate import bootstrap, uncertainty
from daflow_jax.metrics import flow as flow_metrics

HEADLINES = ("epe", "out1", "out3", "out5", "fl_all")
_KINDS = ("occluded", "visible", "reliable")
PER_PAIR = ("epe", "epe_visible")  # with a mean and a median over the pairs of a data set
ROBUSTNESS = {"epe": "r_epe", "out1": "r_out1", "fl_all": "r_fl_all"}


@jax.jit
def _means(flow, truth, valid, occluded, unreliable):
    epe = functools.partial(flow_metrics.epe, flow, truth)
    means = {"epe": epe(valid), "fl_all": flow_metrics.fl_all(flow, truth, valid)}
    means["aae_deg"] = flow_metrics.angular_error(flow, truth, valid)
    for pixels in (1, 3, 5):
        means[f"out{pixels}"] = flow_metrics.outliers(flow, truth, valid, float(pixels))
    means |= flow_metrics.epe_by_speed(flow, truth, valid)
    if occluded is not None:
        means["epe_occluded"] = epe(valid & occluded)
        means["epe_visible"] = epe(valid & ~occluded)
    if unreliable is not None:
        visible = valid if occluded is None else valid & ~occluded
        means["epe_reliable"] = epe(visible & ~unreliable)
    return means


def pair_sums(
    flow: np.ndarray,
    truth: np.ndarray,
    valid: np.ndarray,
    occluded: np.ndarray | None,
    unreliable: np.ndarray | None = None,
) -> dict[str, tuple[float, float]]:
    """Returns (sum, pixels) of every metric for one pair; flows (h, w, 2), masks (h, w) bool.

    Unreliable pixels count everywhere but in `epe_reliable`, which leaves out occluded ones too.
    """
    masks = (None if mask is None else jnp.asarray(mask) for mask in (occluded, unreliable))
    means = _means(jnp.asarray(flow), jnp.asarray(truth), jnp.asarray(valid), *masks)
    return _floats(means)


def distance_sums(flow: np.ndarray, clean: np.ndarray) -> dict[str, tuple[float, float]]:
    """Returns (sum, pixels) of the distance of a flow to that from clean frames, all pixels.

    RobustSpring's R (Oei et al. 2025) as EPE, share above 1 px and Fl: no truth is needed.
    """
    return _floats(_distances(jnp.asarray(flow), jnp.asarray(clean)))


@jax.jit
def _distances(flow, clean):
    everywhere = jnp.ones(flow.shape[:2], bool)
    return {
        "r_epe": flow_metrics.epe(flow, clean, everywhere),
        "r_out1": flow_metrics.outliers(flow, clean, everywhere, 1.0),
        "r_fl_all": flow_metrics.fl_all(flow, clean, everywhere),
    }


def _floats(means):
    return {name: (float(mean.total), float(mean.weight)) for name, mean in means.items()}


def ratio(sums: tuple[float, float]) -> float | None:
    """Returns the mean, None without pixels."""
    return sums[0] / sums[1] if sums[1] else None


def summary(
    rows: list[dict[str, Any]], seed: int = 0, exclude: Collection[str] = ()
) -> dict[str, Any]:
    """Returns the errors of one method at one degradation over its pairs, each with valid pixels.

    Headlines are means of pairs per data set, then over data sets without those of `exclude`;
    `per_pixel` pools all pixels of the same pairs, `over_pairs` has mean and median over pairs per
    data set (then their mean over data sets), over all pixels and over visible ones of the pairs
    that say which. Shares are 0..1, `outN` = above N pixels.
    `robustness` is None without estimates from clean frames, `sparsification` (means of
    `uncertainty.of_pair`) without an uncertainty. `seed` is of the intervals. Where
    every data set is excluded, all of them count.
    """
    counted = averaged(rows, exclude)
    datasets = {name: _dataset(rows, name) for name in dict.fromkeys(r["dataset"] for r in rows)}
    names = dict.fromkeys(row["dataset"] for row in counted)
    keys = (*HEADLINES, *ROBUSTNESS.values(), "ause")
    overall, each = bootstrap.intervals(rows, keys, names, seed)
    for name, own in each.items():
        datasets[name]["intervals"] = own
    worst = max(counted, key=lambda row: row["epe"])
    average = {k: _mean(datasets[name][k] for name in names) for k in HEADLINES}
    return {
        "epe": {"per_pixel": _pooled(counted, "epe"), "per_image": average["epe"]},
        **{key: average[key] for key in HEADLINES[1:]},
        "aae_deg": _mean(row["aae_deg"] for row in counted),
        "over_pairs": {
            key: _averaged([datasets[name]["over_pairs"][key] for name in names])
            for key in PER_PAIR
        },
        **_pooled_parts(counted),
        "robustness": _averaged([datasets[name]["robustness"] for name in names]),
        "sparsification": uncertainty.mean(datasets[name]["sparsification"] for name in names),
        "intervals": {"level": bootstrap.LEVEL, "draws": bootstrap.DRAWS, **overall},
        "outliers": {"worst_pair": worst["name"], "epe": worst["epe"]},
        "datasets": datasets,
        "left_out_of_averages": sorted({r["dataset"] for r in rows} - set(names)),
    }


def averaged(rows: list[dict[str, Any]], exclude: Collection[str]) -> list[dict[str, Any]]:
    """Returns the rows whose data sets count in averages; all of them if none would be left."""
    return [row for row in rows if row["dataset"] not in exclude] or rows


def _dataset(rows, name):
    own = [row for row in rows if row["dataset"] == name]
    means = {key: _mean(row[key] for row in own) for key in HEADLINES}
    known = [row for row in own if "r_epe" in row]
    distances = {key: _mean(row[stored] for row in known) for key, stored in ROBUSTNESS.items()}
    return {
        "pairs": len(own),
        "clips": len({row["clip"] for row in own}),
        **means,
        "over_pairs": {key: over_pairs(own, key) for key in PER_PAIR},
        **_pooled_parts(own),
        "robustness": distances if known else None,
        "sparsification": uncertainty.mean(row.get("sparsification") for row in own),
    }


def over_pairs(rows, key):
    """Returns mean and median of a value over the pairs that know it; None if none does."""
    known = [row[key] for row in rows if row.get(key) is not None]
    return {"mean": _mean(known), "median": float(np.median(known))} if known else None


def _pooled_parts(rows):
    """Returns the error over all pixels of a kind: by speed, occluded or not, reliable."""
    return {
        "epe_by_speed": {name: _pooled(rows, name) for name in flow_metrics.SPEED_BINS},
        **{f"epe_{kind}": _pooled(rows, f"epe_{kind}") for kind in _KINDS},
    }


def _averaged(parts):
    """Returns the mean of each value over data sets that know it; None if none does."""
    known = [part for part in parts if part is not None]
    return {key: _mean(part[key] for part in known) for key in known[0]} if known else None


def difference(
    rows: list[dict[str, Any]],
    first: list[dict[str, Any]],
    seed: int,
    exclude: Collection[str] = (),
) -> dict[str, Any]:
    """Returns by how much the EPE of `rows` is above that of `first`, the same pairs in order.

    The mean is taken as in `summary`; its interval is that of the paired differences, narrower
    than either method's own where both find the same pairs hard.
    """
    both = zip(rows, first, strict=True)
    paired = [{**row, "epe": row["epe"] - before["epe"]} for row, before in both]
    counted = averaged(paired, exclude)
    names = list(dict.fromkeys(row["dataset"] for row in counted))
    overall, _ = bootstrap.intervals(counted, ("epe",), names, seed)
    means = (_mean(row["epe"] for row in counted if row["dataset"] == name) for name in names)
    return {"mean": _mean(means), "interval": overall["epe"]}


def over_degradations(summaries: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """Returns mean and median of R over the degradations of one method (RobustSpring's ranking)."""
    known = [summary["robustness"] for summary in summaries if summary["robustness"]]
    if not known:
        return None
    values = {key: [part[key] for part in known] for key in known[0]}
    return {
        "degradations": len(known),
        "mean": {key: float(np.mean(found)) for key, found in values.items()},
        "median": {key: float(np.median(found)) for key, found in values.items()},
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _pooled(rows, key):
    sums = [row["sums"][key] for row in rows if key in row["sums"]]
    return ratio((sum(s[0] for s in sums), sum(s[1] for s in sums))) if sums else None
