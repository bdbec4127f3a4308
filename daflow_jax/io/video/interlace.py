"""Interlaced video: found by its combs, and filled to whole frames by FFmpeg's filter."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io.video import container

_PAIRS = 12  # [choice] pairs of frames that vote
_MOST = 64  # [choice] frames looked at while waiting for motion
_MOTION = 0.03  # [choice] a weave of distant fields combs this much more where something moves
_CHANCE = 6.0  # [choice] ... and by more than noise makes of so many pixels
_SHARE = 0.25  # [choice] of the votes; film shown as interlaced video combs two frames of five


def field_order(planes: Iterable[np.ndarray]) -> str | None:
    """Returns which rows come first, "tff" (even ones, the top field) or "bff"; None = progressive.

    The flags in the file are often wrong, so the pictures decide: rows of one frame are woven with
    rows of the next. In progressive video every such weave combs where something moves; in
    interlaced video one of the two does not comb more than the frame itself.

    Args:
        planes: luma of the first frames, uint8 (h, w), in order of display.
    """
    votes: list[str] = []
    before = None
    for count, plane in enumerate(planes):
        rows = np.asarray(plane[: len(plane) // 2 * 2, ::2], np.int16)
        if before is not None and rows.shape == before.shape and len(rows) >= 16:
            votes += _vote(before, rows)
        before = rows
        if len(votes) >= _PAIRS or count >= _MOST:
            break
    top, bottom = votes.count("tff"), votes.count("bff")
    if top + bottom < max(2.0, _SHARE * len(votes)):
        return None
    return "tff" if top >= bottom else "bff"


def _vote(one: np.ndarray, two: np.ndarray) -> list[str]:
    """Returns one vote about two frames that follow each other, none where nothing moves."""
    own = (_comb(one[0::2], one[1::2]) + _comb(two[0::2], two[1::2])) / 2 + 1e-3
    near_top, near_bottom = _comb(two[0::2], one[1::2]), _comb(one[0::2], two[1::2])
    motion = max(near_top, near_bottom) - own
    if motion < (_MOTION + _CHANCE / one.size**0.5) * own:
        return []
    if min(near_top, near_bottom) - own >= 0.3 * motion:
        return ["progressive"]
    return ["tff" if near_top < near_bottom else "bff"]


def _comb(even: np.ndarray, odd: np.ndarray) -> float:
    """Returns by how much rows differ from the mean of their neighbours in the other field."""
    inner = np.abs(2 * odd[:-1] - even[:-1] - even[1:]).mean()
    outer = np.abs(2 * even[1:] - odd[:-1] - odd[1:]).mean()
    return float(inner + outer)


def deinterlaced(
    pictures: Iterable[tuple[Any, Any]], track: Any, order: str | None, path: Path
) -> Iterator[tuple[Any, Any]]:
    """Yields (frame, stamp) for each one given, the frames (PyAV) without combs.

    `order` is that of the fields; None = as the frames are flagged. Frames that the filter does not
    take are a `UserError`.
    """
    waiting: deque[Any] = deque()
    graph = None
    for picture, stamp in pictures:
        with _explained(path):
            graph = graph or _graph(picture, track, order or "auto")
            graph.push(picture)
        waiting.append(stamp)
        yield from zip(_pulled(graph, path), _taken(waiting), strict=False)
    if graph is not None:
        with _explained(path):
            graph.push(None)
        yield from zip(_pulled(graph, path), _taken(waiting), strict=False)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    errors = container.library(path).error
    try:
        yield
    except (BlockingIOError, EOFError):
        raise  # nothing is ready; nothing follows
    except (errors.FFmpegError, OSError, ValueError) as error:
        rule = f"cannot be deinterlaced ({error})"
        raise UserError(path, rule, "Read it without deinterlacing") from error


def _taken(waiting: deque) -> Iterator[Any]:
    while waiting:
        yield waiting.popleft()


def _graph(picture: Any, track: Any, parity: str) -> Any:
    import av.filter

    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format.name,
        time_base=track.time_base,
    )
    filtering = graph.add("bwdif", f"mode=send_frame:deint=all:parity={parity}")
    sink = graph.add("buffersink")
    source.link_to(filtering)
    filtering.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: Any, path: Path) -> Iterator[Any]:
    """Yields the frames that the graph has ready."""
    while True:
        try:
            with _explained(path):
                ready = graph.pull()
        except (BlockingIOError, EOFError):
            return
        yield ready
