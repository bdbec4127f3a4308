"""Which frames are wanted between two neighbours: shares of their interval, 0 = the first one."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from daflow_jax import errors

DEEPEST = 6  # [choice] halvings of an interval by a network that finds middle frames alone
_NEAR = Fraction(1, 1000)  # [choice] seconds: a place this near a frame is that frame
Shares = tuple[Fraction, ...]


class Schedule(Protocol):
    """Called with the seconds of two neighbours, in order; the second is None at the end.

    Returns the shares in [0, 1) of their interval at which frames are wanted, in order; 0 is the
    first neighbour itself.
    """

    def __call__(self, first: Fraction, second: Fraction | None) -> Shares: ...


class Even:
    """`factor` - 1 new frames at equal distances between any two."""

    def __init__(self, factor: int):
        self._shares = tuple(Fraction(k, factor) for k in range(factor))

    def __call__(self, first: Fraction, second: Fraction | None) -> Shares:
        return self._shares if second is not None else (Fraction(0),)


class At:
    """New frames at the same shares between any two, in ascending order."""

    def __init__(self, shares: Sequence[Fraction]):
        self._shares = (Fraction(0), *shares)

    def __call__(self, first: Fraction, second: Fraction | None) -> Shares:
        return self._shares if second is not None else (Fraction(0),)


class Rate:
    """Frames at a constant rate, counted from the first one; input frames appear where they fall
    on it, to a millisecond.

    Args:
        fps: frames per second.
    """

    def __init__(self, fps: Fraction):
        self._step = 1 / fps
        self._begin: Fraction | None = None

    def __call__(self, first: Fraction, second: Fraction | None) -> Shares:
        if self._begin is None:
            self._begin = first
        end = first + self._step if second is None else second
        near = min(_NEAR, self._step / 50)
        number = math.ceil((first - near - self._begin) / self._step)
        shares: list[Fraction] = []
        while (place := self._begin + number * self._step) < end - near:
            on_frame = abs(place - first) <= near
            if on_frame or second is not None:
                shares.append(Fraction(0) if on_frame else (place - first) / (end - first))
            number += 1
        return tuple(shares)


def check_reach(shares: Sequence[Fraction], any_time: bool, model: str, what: str) -> None:
    """Raises UserError for shares that a network which finds middle frames alone does not reach.

    `what` names the shares: "--times 0.3".
    """
    if not any_time and not all(is_dyadic(share) for share in shares):
        rule = f"{model} finds the frame in the middle, and so halves, quarters, eighths and so on"
        remedy = "Use those, or a model of any time such as RIFE 4.0"
        raise errors.UserError(what, rule, remedy)


def is_dyadic(share: Fraction) -> bool:
    """Returns whether halving an interval a few times leads to a share."""
    return share.denominator in {2**k for k in range(DEEPEST + 1)}
