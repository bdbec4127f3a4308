"""How long a track is, as its header says."""

import re
from typing import Any

from daflow_jax.io.video import container

_COUNTED = ("gif", "mpegts", "mpeg", "mpegvideo")  # the reader counts what is there: no promise


def start(track: Any) -> float:
    """Returns the second of the first frame, as the header says."""
    return float((track.start_time or 0) * (track.time_base or 0))


def frames(source: Any, track: Any) -> int:
    """Returns the number of frames that the header counts, 0 = unknown."""
    return 0 if container.demuxer_of(source) in _COUNTED else track.frames


def end(source: Any, track: Any) -> tuple[float | None, bool]:
    """Returns the second at which the track ends, None if unknown, and whether that is its own.

    Matroska counts durations from 0, the others from the first frame. The duration of a whole file
    with several tracks says nothing about one of them.
    """
    demuxer = container.demuxer_of(source)
    fragments = demuxer == "mov" and not track.frames  # their duration is what was found
    if demuxer in _COUNTED or fragments:
        return None, False
    alone = source.duration / 1e6 if source.duration and len(source.streams) == 1 else None
    if demuxer == "matroska":
        own = clock_time(track.metadata.get("DURATION", ""))
        return (alone, False) if own is None else (own, True)
    if track.duration and track.time_base:
        return start(track) + float(track.duration * track.time_base), True
    return (None if alone is None else start(track) + alone), False


def length(source: Any, track: Any) -> float:
    """Returns about how many seconds the track lasts, 0 where nothing says it."""
    last, _ = end(source, track)
    if last is not None:
        return last - start(track)
    if track.duration and track.time_base:
        return float(track.duration * track.time_base)
    return (source.duration or 0) / 1e6


def clock_time(text: str) -> float | None:
    """Returns the seconds of "00:00:04.167000000", None for anything else."""
    found = re.fullmatch(r"(\d{1,6}):(\d{1,2}):(\d{1,2}(?:\.\d*)?)", text, re.ASCII)
    if found is None:
        return None
    return 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])
