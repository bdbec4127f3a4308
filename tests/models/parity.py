"""Rows of a comparison with published networks, which tests check and a table can show."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np


class Row(NamedTuple):
    """One published array beside ours. measure: what `tolerance` bounds,

    absolute   largest difference
    peak       largest difference over the largest published magnitude
    relative   largest relative difference of the values above 1e-6 of the largest
    exact      0 if equal, else 1 (also for names)
    """

    name: str
    ours: Any
    published: np.ndarray
    tolerance: float
    measure: str = "absolute"

    def error(self) -> float:
        """Returns what the tolerance bounds; arrays of different shapes are infinitely far."""
        ours, published = np.asarray(self.ours), np.asarray(self.published)
        if ours.shape != published.shape:
            return float("inf")
        if self.measure == "exact":
            return float(not np.array_equal(ours, published))
        ours, published = ours.astype(np.float64), published.astype(np.float64)
        difference, size = np.abs(ours - published), np.abs(published)
        if self.measure == "absolute":
            return float(difference.max())
        if self.measure == "relative":
            counted = size > 1e-6 * size.max()
            return float((difference[counted] / size[counted]).max())
        return float(difference.max() / size.max())

    def holds(self) -> bool:
        """Returns True if the row is within its tolerance; not a number never is."""
        return self.error() <= self.tolerance


def check(rows: Iterable[Row], names: Iterable[str], inputs: Collection[str] = ()) -> None:
    """Asserts that every row holds, and that rows and `inputs` name all arrays of the fixture."""
    rows = list(rows)
    wrong = [f"{r.name}: {r.error():.2e} > {r.tolerance:.1e}" for r in rows if not r.holds()]
    assert not wrong, "; ".join(wrong)
    left = set(names) - {row.name for row in rows} - set(inputs)
    assert not left, f"not compared: {sorted(left)}"
