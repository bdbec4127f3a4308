"""Opening a video: the named file alone, by the reader that its name says, and its best track."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daflow_jax.errors import UserError
from daflow_jax.io import limits, regular_file
from daflow_jax.io.video import names


def library(where: object) -> Any:
    """Returns the package av; without it a `UserError` of code 3 that names `where`."""
    try:
        import av
        import av.error
    except ImportError:
        rule = "video needs the package av"
        raise UserError(where, rule, "Run: pip install av", code=3) from None
    return av


def demuxer_of(container: Any) -> str:
    """Returns the first name of the reader of an open container, e.g. "matroska"."""
    return container.format.name.split(",")[0]


@contextmanager
def opened(path: str | Path) -> Iterator[tuple[Any, Any]]:
    """Yields the open container and its best video track, as the container marks it.

    Cover pictures are not tracks. Errors, all `UserError`: not a regular file, empty, no video
    that can be read, another kind of file than its name says, no track, frames over the limit.
    """
    av = library(path)
    regular_file.check(path)
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(names.ALLOWED),
    }
    url = f"file:{Path(path).absolute()}"
    try:
        container = av.open(url, container_options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        remedy = "Is it complete? Try: ffmpeg -i FILE -c:v libx264 new.mp4"
        raise UserError(path, "not a readable video", remedy) from error
    with container:
        _check_kind(path, container)
        yield container, _track(path, container)


def _check_kind(path: str | Path, container: Any) -> None:
    expected = names.DEMUXERS.get(Path(path).suffix.lower(), names.ALLOWED)
    found = demuxer_of(container)
    if found not in expected:
        kind = container.format.long_name
        better = Path(path).with_suffix(names.extension_of(found)).name
        raise UserError(path, f"holds {kind}, not what its name says", f"Rename it to {better}")


def best_track(container: Any, kind: str) -> Any:
    """Returns the track of a kind ("video", "audio") that FFmpeg thinks best, None without one."""
    try:
        return container.streams.best(kind)
    except IndexError:  # a damaged file announces tracks that came too late to be listed
        return None


def _track(path: str | Path, container: Any) -> Any:
    attached = library(path).stream.Disposition.attached_pic
    tracks = [track for track in container.streams.video if not track.disposition & attached]
    best = best_track(container, "video")
    track = best if best in tracks else next(iter(tracks), None)
    if track is None:
        raise UserError(path, "holds no video track", "Name a file with pictures")
    if track.codec_context is None:
        rule = "no decoder is known for its video track"
        raise UserError(path, rule, "Convert it: ffmpeg -i FILE -c:v libx264 new.mp4")
    if not track.width * track.height:
        rule = "holds no picture whose size can be read, or one of impossible size"
        raise UserError(path, rule, "Copy or download it again")
    limits.check_size(path, track.width, track.height)
    # Decoder threads can wait for each other for ever when a half-read video is closed.
    track.codec_context.thread_count = 1
    track.codec_context.options = {"max_pixels": str(limits.max_pixels())}
    return track
