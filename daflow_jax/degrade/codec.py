"""Video compression of a whole clip in memory (PyAV)."""

import fractions
from typing import Any, cast

import cv2
import numpy as np

from daflow_jax.errors import UserError, nearest

# x264's macroblock tree reads memory that it never wrote (its look-ahead of B-frames, in the
# vector code): with it the same frames now and then give other bytes.
_OPTIONS = {
    "libx264": {"x264-params": "mbtree=0"},
    "libx265": {"x265-params": "log-level=none:pools=none:frame-threads=1:wpp=0"},
    "mpeg4": {},
}
_GLOBAL_HEADER = 1 << 22  # FFmpeg's flag: what a stream begins with goes into `extradata`
_DECODERS = {"libx264": "h264", "libx265": "hevc", "mpeg4": "mpeg4"}


def codec(
    frames: np.ndarray,
    name: str,
    kbit_per_frame: float | int = 0.0,
    crf: int = 0,
    preset: str = "veryfast",
    rate: int = 25,
) -> np.ndarray:
    """Returns uint8 frames (f, h, w, 3) after encoding and decoding, with one thread: repeatable.

    `name` is "libx264" (H.264) or "libx265" (HEVC) with constant quality `crf` 1..51 if > 0, else
    the bit budget, and a `preset` of the encoder; or "mpeg4" (bit budget). `rate` in frames per
    second tells the rate control how many frames share a second's bits. Frames are padded to whole
    macroblocks of 16, which is cut off again. Errors: no PyAV, or a build of it without the
    encoder, is a `UserError` of code 3.
    """
    if name not in _OPTIONS:
        raise UserError("codec", f"unknown encoder {name!r}", nearest(name, _OPTIONS))
    options = dict(_OPTIONS[name]) if name == "mpeg4" else {"preset": preset, **_OPTIONS[name]}
    if crf:
        options["crf"] = str(crf)
    padded = pad(frames)
    bits = int(kbit_per_frame * 1000 * rate)
    coder = _encoder(name, padded.shape[1:3], bits, rate, options)
    try:
        packets = _encode(padded, coder)
    except cast(Any, _av()).error.FFmpegError as error:
        rule = f"{name} takes no frames of {frames.shape[2]}x{frames.shape[1]}"
        raise UserError("codec", rule, "Resize them, or take another recipe") from error
    decoded = _decode(packets, name, coder.extradata)
    if len(decoded) != len(frames):
        raise ValueError(f"{name} gave {len(decoded)} of {len(frames)} frames back")
    return np.stack(decoded)[:, : frames.shape[1], : frames.shape[2]]


def one_size(frames: list[np.ndarray]) -> np.ndarray:
    """Returns the frames stacked, all brought to the size of the first, as a stream needs them."""
    height, width = frames[0].shape[:2]
    return np.stack([cv2.resize(frame, (width, height)) for frame in frames])


def _av():
    try:
        import av
    except ImportError:
        raise UserError(
            "codec",
            "video compression needs PyAV, which is not installed",
            "pip install av",
            code=3,
        ) from None
    return av


def pad(frames: np.ndarray) -> np.ndarray:
    """Returns frames of whole macroblocks: encoders read what lies behind a partial one in memory,
    so that the same frames would not give the same bytes."""
    height, width = frames.shape[1:3]
    return np.pad(frames, ((0, 0), (0, -height % 16), (0, -width % 16), (0, 0)), "edge")


def _encode(frames: np.ndarray, coder: Any) -> list:
    """Returns the packets. No container: reading one again would decode twice, and the mp4 writer
    reads memory that x265 never wrote."""
    av, packets = _av(), []
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts = number
        packets += coder.encode(picture)
    return packets + coder.encode(None)


def _encoder(name: str, size: tuple[int, int], bits: int, rate: int, options: dict) -> Any:
    av = _av()
    if name not in av.codecs_available:
        rule = f"this build of PyAV ({av.__version__}) has no encoder {name}"
        raise UserError("codec", rule, "pip install --upgrade av, or take another codec", code=3)
    coder = cast(Any, av.CodecContext.create(name, "w"))  # a VideoCodecContext, by its name
    coder.height, coder.width = size
    coder.pix_fmt = "yuv420p"
    coder.framerate, coder.time_base = rate, fractions.Fraction(1, rate)
    coder.thread_count = 1
    coder.flags |= _GLOBAL_HEADER
    if "crf" not in options:
        coder.bit_rate, coder.bit_rate_tolerance = bits, 128000  # what a file's stream gets
    coder.options = options
    return coder


def _decode(packets: list, name: str, head: bytes) -> list[np.ndarray]:
    coder = cast(Any, _av().CodecContext.create(_DECODERS[name], "r"))
    coder.thread_count = 1
    coder.extradata = head
    found = [frame for packet in [*packets, None] for frame in coder.decode(packet)]
    return [frame.to_ndarray(format="rgb24") for frame in found]
