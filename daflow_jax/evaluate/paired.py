"""Is one method better than another on the same clips, or is it the choice of clips?"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from daflow_jax.evaluate import bootstrap

EXACT = 12  # clips up to which all signs are tried [choice]
DRAWS = 10_000  # of signs, for more clips [choice]


def compare(first: ArrayLike, second: ArrayLike, names: list[str], seed: int = 0) -> dict[str, Any]:
    """Returns by how much `first` is above `second`, one value per clip each.

    "mean" of the differences with its bootstrap "interval" over clips, and "p": the share of sign
    flips of the differences whose mean is at least as far from 0 (two-sided permutation test;
    exact up to 12 clips). p is None for fewer than two clips.
    """
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    rows = [
        {"dataset": "", "clip": name, "value": float(value)}
        for name, value in zip(names, difference, strict=True)
    ]
    interval, _ = bootstrap.intervals(rows, ("value",), [""], seed)
    return {
        "mean": float(difference.mean()),
        "interval": interval["value"],
        "p": _p_value(difference, seed) if len(difference) > 1 else None,
        "clips": len(difference),
    }


def _p_value(difference: np.ndarray, seed: int) -> float:
    count, seen = len(difference), abs(difference.mean())
    if count <= EXACT:
        signs = np.array(list(itertools.product((1, -1), repeat=count)))
    else:
        rng = np.random.default_rng([seed % 2**32, count])
        signs = rng.choice((1, -1), (DRAWS, count))
        signs[0] = 1  # the data themselves count, so that p is never 0
    return float((np.abs(signs @ difference) / count >= seen * (1 - 1e-12)).mean())
