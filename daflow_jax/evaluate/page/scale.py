"""From a value to a place on an axis, and round numbers to write at it."""

import math
from collections.abc import Iterable
from typing import NamedTuple

_WIDE = 20.0  # [choice] ratio of largest to smallest value from which an axis is logarithmic


_MANY = 200.0  # [choice] the same ratio from which only powers of ten are written


class Scale(NamedTuple):
    """An axis from `low` to `high`, linear or logarithmic."""

    low: float
    high: float
    is_log: bool = False

    def at(self, value: float | int) -> float:
        """Returns the place of a value, 0 at `low` and 1 at `high`, clipped outside."""
        value = min(max(value, self.low), self.high)
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Returns round numbers on the axis, about five."""
        if self.is_log:
            low, high = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            steps = (1, 2, 5) if self.high / self.low < _MANY else (1,)
            found = [step * 10.0**power for power in range(low, high + 1) for step in steps]
        else:
            rough = (self.high - self.low) / 5
            power = 10.0 ** math.floor(math.log10(rough))
            step = next(k * power for k in (1, 2, 5, 10) if k * power >= rough * 0.999)
            first = math.ceil(self.low / step - 1e-9)
            found = [step * k for k in range(first, first + 12)]
        return [tick for tick in found if self.low * 0.999 <= tick <= self.high * 1.001]


def of(values: Iterable[float | int | None], from_zero: bool = True) -> Scale:
    """Returns an axis that holds all known values: from 0, or logarithmic where they spread wide.

    Args:
        from_zero: False begins below the smallest value instead, and is never logarithmic.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known or max(known) == min(known) == 0:
        return Scale(0.0, 1.0)
    low, high = min(known), max(known)
    if not from_zero:
        margin = 0.08 * (high - low) or 0.05 * abs(high)
        return Scale(low - margin, high + margin)
    if low > 0 and high / low > _WIDE:
        return Scale(low / 1.15, high * 1.15, is_log=True)
    return Scale(min(low, 0.0), high * 1.05 if high > 0 else 1.0)
