"""Averages over the samples of an analysis, and how far they can be trusted."""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from daflow_jax.evaluate import bootstrap

Interval = list[float] | None


def average(
    found: Iterable[tuple[Any, dict[str, float]]], exclude: Collection[str] = ()
) -> dict[str, float | None]:
    """Returns the mean of each value of (sample, values): over the samples of a data set, then over
    data sets without those of `exclude` (all, if none would be left).

    Samples without a value (NaN) do not count.
    """
    groups: dict[str, dict[str, list[float]]] = {}
    for sample, values in found:
        for name, value in values.items():
            known = groups.setdefault(sample.dataset, {}).setdefault(name, [])
            known += [value] if math.isfinite(value) else []
    kept = {name: x for name, x in groups.items() if name not in exclude} or groups
    names = dict.fromkeys(name for values in kept.values() for name in values)
    return {name: _mean([_mean(x.get(name, [])) for x in kept.values()]) for name in names}


def intervals(
    found: Sequence[tuple[Any, dict[str, float]]], exclude: Collection[str] = ()
) -> dict[str, Interval]:
    """Returns the 95 % interval of each mean of `average`, by bootstrap over samples within their
    data sets; None where there are too few."""
    keys = list(dict.fromkeys(name for _, values in found for name in values))
    rows = [
        {"dataset": sample.dataset, "clip": sample.name}
        | {name: value for name, value in values.items() if math.isfinite(value)}
        for sample, values in found
    ]
    datasets = list(dict.fromkeys(str(sample.dataset) for sample, _ in found))
    counted = [name for name in datasets if name not in exclude] or datasets
    return bootstrap.intervals(rows, keys, counted, seed=0)[0]


def by_name(
    found: Sequence[tuple[Any, dict[Any, dict[str, float]]]], exclude: Collection[str] = ()
) -> dict[Any, dict[str, Any]]:
    """Returns the averages of each group of values of (sample, {name: values}), and their
    "intervals"."""
    names = dict.fromkeys(name for _, groups in found for name in groups)
    out = {}
    for name in names:
        own = [(sample, groups[name]) for sample, groups in found if name in groups]
        out[name] = {**average(own, exclude), "intervals": intervals(own, exclude)}
    return out


def rows(
    scores: Sequence[tuple[Any, dict[Any, dict[str, float]]]], exclude: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Returns a row of averages per block, kind and form of what `Probe.scores` found."""
    return [
        {"block": block, "kind": kind, "form": form, **values}
        for (block, kind, form), values in by_name(scores, exclude).items()
    ]


def _mean(values) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
