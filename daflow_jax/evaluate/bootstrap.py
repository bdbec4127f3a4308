"""How far averages over pairs can be trusted: percentile bootstrap over clips."""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

LEVEL = 0.95  # [choice]
DRAWS = 1000  # [choice]

Interval = list[float] | None


def intervals(
    rows: Sequence[dict[str, Any]], keys: Sequence[str], counted: Iterable[str], seed: int
) -> tuple[dict[str, Interval], dict[str, dict[str, Interval]]]:
    """Returns intervals of the means over data sets, and of each data set's mean, by key.

    Clips are drawn with replacement within every data set (Efron 1979), all pairs of a clip
    together, as neighbouring pairs err alike; then means are taken as in `scores.summary`. Rows of
    equal names give equal draws, whatever the method. None where a value is unknown or no data set
    has two clips; a data set of one clip adds no spread to the mean over data sets.

    Args:
        rows: with "dataset", "clip" and `keys`, whose values may be None or absent.
        counted: the data sets that are averaged over.
    """
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    own = {name: [row for row in rows if row["dataset"] == name] for name in datasets}
    drawn = {name: _drawn(own[name], keys, _rng(seed, name)) for name in datasets}
    varies = {name: len({row["clip"] for row in own[name]}) > 1 for name in datasets}
    each = {
        name: {
            key: _interval(values) if varies[name] else None
            for key, values in zip(keys, drawn[name], strict=True)
        }
        for name in datasets
    }
    counted = list(counted)
    overall: dict[str, Interval] = {}
    for place, key in enumerate(keys):
        known = [drawn[name][place] for name in counted if np.isfinite(drawn[name][place]).any()]
        spread = any(varies[name] for name in counted)
        overall[key] = _interval(np.nanmean(known, axis=0)) if known and spread else None
    return overall, each


def _rng(seed: int, dataset: str) -> np.random.Generator:
    return np.random.default_rng([seed % 2**32, zlib.crc32(dataset.encode())])


def _drawn(rows, keys, rng: np.random.Generator) -> np.ndarray:
    """Returns (keys, DRAWS) means of resampled clips, NaN where a draw knows no value."""
    clips = list(dict.fromkeys(row["clip"] for row in rows))
    sums, counts = np.zeros((2, len(keys), len(clips)))
    for row in rows:
        place = clips.index(row["clip"])
        for index, key in enumerate(keys):
            if row.get(key) is not None:
                sums[index, place] += row[key]
                counts[index, place] += 1
    chosen = rng.integers(len(clips), size=(DRAWS, len(clips)))
    times = np.stack([np.bincount(draw, minlength=len(clips)) for draw in chosen], axis=1)
    total, number = sums @ times, counts @ times
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def _interval(values: np.ndarray) -> Interval:
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]
