"""The sound of one video copied into another, packet by packet, in time with the pictures."""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

from daflow_jax.io.video import container, promise

_LEAD = Fraction(1, 10)  # [choice] seconds of encoder priming that players skip


class Sound:
    """The audio track of a video, to be copied into an open output.

    Attributes:
        note: why there is no sound, where the source has some that the output cannot hold.
        video_start: second at which the pictures of the source begin.
    """

    def __init__(self, path: str | Path, output: Any):
        self.note: str | None = None
        self._output = output
        self._stack = ExitStack()
        self._track, self._packets, self._held = None, iter(()), None
        self._last: int | None = None  # time stamp
        source, video = self._stack.enter_context(container.opened(path))
        self.video_start = promise.start(video)
        audio = container.best_track(source, "audio")
        self._start = Fraction(audio.start_time or 0) * audio.time_base if audio else None
        if audio is None:
            return
        name = audio.codec_context.name if audio.codec_context else "unknown"
        known = output.supported_codecs
        if audio.codec_context is None or audio.codec_context.codec.canonical_name not in known:
            self.note = f"{path}: sound ({name}) does not fit into {output.format.name}; left out"
            return
        self._track = output.add_stream_from_template(audio)
        self._packets = self._read(source, audio)

    def origin(self, first: Fraction) -> Fraction:
        """Returns which second of the source becomes 0, for pictures that begin at `first`."""
        if self._track is None or self._start is None or self._start > first - _LEAD:
            return first
        return self._start

    def copy(self, until: Fraction | None, origin: Fraction) -> None:
        """Copies what begins before the second `until` of the source; None: the rest."""
        if self._track is None:
            return
        while True:
            packet = self._held or next(self._packets, None)
            self._held = packet
            if packet is None or (until is not None and packet.pts * packet.time_base >= until):
                return
            self._held = None
            shift = round(origin / packet.time_base)
            packet.pts = packet.dts = packet.pts - shift  # sound has no reordering
            if self._last is None or packet.pts > self._last:  # muxers refuse steps back
                self._last = packet.pts
                packet.stream = self._track
                self._output.mux(packet)

    def close(self) -> None:
        """Closes the source."""
        self._stack.close()

    def _read(self, source: Any, audio: Any) -> Iterator[Any]:
        error = container.library("audio").error
        try:
            for packet in source.demux(audio):
                if packet.size and packet.pts is not None:
                    yield packet
        except (error.FFmpegError, OSError, IndexError):
            return  # what is left of a damaged track is lost
