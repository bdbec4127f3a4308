"""Small videos of every kind, made for the tests of `io.video`."""

from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np

HEIGHT, WIDTH = 64, 96


def moving(count: int = 12, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """Returns uint8 RGB frames of a texture that moves by two pixels a frame."""
    y, x = np.mgrid[:height, :width]
    level = [
        128 + 60 * np.sin((x + 2 * k) / 8) * np.cos(y / 8) + 40 * np.sin(x + 2 * k + 3 * y)
        for k in range(count)
    ]
    return [np.repeat(one[..., None], 3, -1).astype(np.uint8) for one in level]


def make(
    path,
    frames: Iterable[np.ndarray],
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 25,
    times: list | None = None,
    matrix: list[int] | None = None,
    format: str | None = None,
    **options: dict,
):
    """Writes a video with PyAV and returns its path.

    Args:
        times: seconds (Fraction) of the frames; None: one after the other.
        matrix: a, b, c, d of the display matrix.
        options: "container" and "coder": dictionaries for FFmpeg.
    """
    frames = list(frames)
    with av.open(str(path), "w", format=format, options=options.get("container", {})) as container:
        stream = container.add_stream(codec, rate=rate, options=options.get("coder", {}))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if matrix is not None:
            a, b, c, d = (value << 16 for value in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixels)
            if times is not None:
                picture.time_base = Fraction(1, 1000)
                picture.pts = round(times[index] * 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def with_sound(path, frames: list[np.ndarray], delay: float = 0.0, codec: str = "aac"):
    """Writes a video whose pictures begin `delay` seconds after its sound; returns its path."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        sound = container.add_stream(codec, rate=16000, layout="mono")
        for k in range(int(25 * delay) + len(frames)):
            tone = np.sin(np.arange(640 * k, 640 * (k + 1)) / 5)[None]
            samples = av.AudioFrame.from_ndarray(
                (20000 * tone).astype(np.int16), format="s16p", layout="mono"
            )
            samples.rate, samples.pts, samples.time_base = 16000, 640 * k, Fraction(1, 16000)
            for part in av.AudioResampler(sound.format.name, "mono", 16000).resample(samples):
                container.mux(sound.encode(part))
        for k, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = k + round(25 * delay), Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    return path


def packets(path, kind: str = "video") -> list[tuple[Fraction, int]]:
    """Returns time in seconds and bytes of the packets of the first track of a kind."""
    with av.open(str(path)) as container:
        track = next(stream for stream in container.streams if stream.type == kind)
        found = [packet for packet in container.demux(track) if packet.size]
        return [(packet.pts * packet.time_base, packet.size) for packet in found]
