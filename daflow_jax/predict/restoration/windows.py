"""How a clip of any length is cut into windows of frames, as they come."""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from daflow_jax.predict import frames as inputs


class Window(NamedTuple):
    """frames: (f, h, w, 3), float32 in [0, 1]. used: which of its results are taken; every frame of
    a clip is taken once, in order. exist: how many frames are there; the others fill up."""

    frames: np.ndarray
    used: slice
    exist: int


def sliding(
    source: Iterable[np.ndarray], length: int | None, context: int = 0, where: str = "frames"
) -> Iterator[Window]:
    """Yields windows of `length` frames, None for all of them in one; the last one reaches back
    over frames that are done.

    Args:
        context: frames on both sides that a result reads: windows overlap by twice as many, and the
            first and last results of a clip alone come from windows that end there.
    """
    if length is None:
        yield from onwards(source, None, 0, where)
        return
    source, held, waiting = iter(source), [], None
    length = max(length, 2 * context + 1)
    while fresh := _take(source, length - (2 * context if held else 0), held, where):
        if waiting is not None:  # it was not the last
            yield waiting
        first = -len(fresh) - (context if held else 0)
        held = (held + fresh)[-length:]
        window = np.stack(held)
        waiting = Window(window, slice(first, len(held) - context), len(held))
        if not context:
            yield waiting
            waiting = None
    if waiting is not None:
        yield waiting._replace(used=slice(waiting.used.start, None))


def onwards(
    source: Iterable[np.ndarray], length: int | None, ahead: int, where: str = "frames"
) -> Iterator[Window]:
    """Yields windows of `length` frames and `ahead` more that are only looked at; each begins where
    the results of the one before end.

    The windows of a clip have one size, so that they share a program: the last ones are filled up
    with copies. A shorter clip is one window; so is every clip where `length` is None.
    """
    source, held = iter(source), []
    whole = None if length is None else length + ahead
    held = _take(source, whole, held, where)
    if not held:
        return
    if length is None or len(held) < length + ahead:
        yield Window(np.stack(held), slice(0, len(held)), len(held))
        return
    while held:
        fill = [held[-1]] * (length + ahead - len(held))
        window = np.stack(held + fill)
        yield Window(window, slice(0, min(length, len(held))), len(held))
        held = held[length:]
        last = [window[-1]] if not held else held
        held = held + _take(source, length + ahead - len(held), last, where)


def _take(source, count, held, where) -> list[np.ndarray]:
    """Returns the next frames, `count` at most (None: all), of the size of those `held`."""
    taken = []
    for frame in itertools.islice(source, count):
        taken.append(inputs.as_frames(frame, where))
        inputs.same_size(taken[-1].shape, (held or taken)[0].shape, where)
    return taken
