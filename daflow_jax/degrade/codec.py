"""Video compression of a whole clip in memory (PyAV)."""

import io
from typing import Any, cast

import numpy as np

from daflow_jax.errors import UserError

# x264's macroblock tree reads memory that it never wrote (its look-ahead of B-frames, in the
# vector code): with it the same frames now and then give other bytes.
X264 = {"preset": "veryfast", "x264-params": "mbtree=0"}


def codec(
    frames: np.ndarray, name: str, kbit_per_frame: float | int = 0.0, crf: int = 0
) -> np.ndarray:
    """Returns uint8 frames (f, h, w, 3) after encoding and decoding, with one thread: repeatable.

    `name` is "libx264" (constant quality `crf` 1..51 if > 0, else the bit budget) or "mpeg4" (bit
    budget). Frames are padded to whole macroblocks of 16, which is cut off again.
    """
    packed = _encode(_pad(frames), name, kbit_per_frame, crf)
    decoded = _decode(packed)
    if len(decoded) != len(frames):
        raise ValueError(f"{name} gave {len(decoded)} of {len(frames)} frames back")
    return np.stack(decoded)[:, : frames.shape[1], : frames.shape[2]]


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


def _pad(frames: np.ndarray) -> np.ndarray:
    """Returns frames of whole macroblocks: encoders read what lies behind a partial one in memory,
    so that the same frames would not give the same bytes."""
    height, width = frames.shape[1:3]
    return np.pad(frames, ((0, 0), (0, -height % 16), (0, -width % 16), (0, 0)), "edge")


def _encode(frames: np.ndarray, name: str, kbit_per_frame: float | int, crf: int) -> bytes:
    av = _av()
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = cast(Any, container.add_stream(name, rate=25))  # a VideoStream, by its codec
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        options = X264 if name == "libx264" else {}
        if crf:
            stream.options = {"crf": str(crf)} | options
        else:
            stream.bit_rate = int(kbit_per_frame * 1000 * 25)
            stream.options = options
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _decode(packed: bytes) -> list[np.ndarray]:
    av = _av()
    with av.open(io.BytesIO(packed), "r") as container:
        container.streams.video[0].thread_count = 1
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
