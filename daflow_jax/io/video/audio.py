"""The sound of one video copied into another, packet by packet, in time with the pictures."""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

from daflow_jax.io.video import container, promise

_LONGEST = 3600  # [choice] seconds; longer packets and pauses come from damage
_LEAD = Fraction(1, 10)  # [choice] seconds of encoder priming that players skip


class Sound:
    """The audio track of a video, to be copied into an open output.

    Attributes:
        note: why there is no sound, where the source has some that the output cannot hold.
        video_start: second at which the pictures of the source begin.
    """

    def __init__(self, path: str | Path, output: Any):
        self.note: str | None = None
        self._path, self._output = path, output
        self._error = container.library(path).error.FFmpegError
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
        while self._track is not None:
            packet = self._held or next(self._packets, None)
            self._held = packet
            if packet is None or (until is not None and packet.pts * packet.time_base >= until):
                return
            self._held = None
            shift = round(origin / packet.time_base)
            packet.pts = packet.dts = packet.pts - shift  # sound has no reordering
            if self._is_sound(packet):
                self._last = packet.pts
                self._mux(packet)

    def _is_sound(self, packet: Any) -> bool:
        """Returns whether the time stamps are possible: muxers fail on others."""
        longest = _LONGEST / packet.time_base
        step = 1 if self._last is None else packet.pts - self._last
        return 0 < step < longest and (packet.duration or 0) < longest

    def _mux(self, packet: Any) -> None:
        packet.stream = self._track
        try:
            self._output.mux(packet)
        except self._error as error:
            if isinstance(error, OSError):
                raise  # the disk, not the sound
            self.note = f"{self._path}: sound is damaged and ends early"
            self._track = None

    def close(self) -> None:
        """Closes the source."""
        self._stack.close()

    def _read(self, source: Any, audio: Any) -> Iterator[Any]:
        try:
            for packet in source.demux(audio):
                if packet.size and packet.pts is not None:
                    yield packet
        except (self._error, OSError, IndexError):
            return  # what is left of a damaged track is lost
