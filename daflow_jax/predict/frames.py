"""Every accepted form of frames brought to float32 in [0, 1] with three channels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daflow_jax import errors

_SCALE = {"uint8": 255.0, "uint16": 65535.0}


def as_frames(frames: Any, where: str = "frames") -> np.ndarray:
    """Returns float32 (..., h, w, 3) in [0, 1].

    Takes uint8, uint16 or float in [0, 1]; grey (..., h, w, 1) is repeated, alpha is dropped. A
    missing channel axis must be added by the caller. Anything else raises UserError.
    """
    frames = _array(frames, where)
    _check_form(frames, where)
    out = _to_unit(frames, where)
    if out.shape[-1] == 4:
        out = out[..., :3]
    return np.repeat(out, 3, axis=-1) if out.shape[-1] == 1 else out


def as_clip(frames: Any) -> np.ndarray | list[np.ndarray]:
    """Returns a clip in the form it has, (t, h, w, 1, 3 or 4) or a list of frames of one size,
    checked; nothing is copied.

    Takes one array (t, h, w, c) or (t, h, w), or a sequence of frames (h, w, c) or (h, w).
    """
    if isinstance(frames, tuple | list):
        frames = [_with_channels(_array(frame, "frames"), 2) for frame in frames]
        if not frames:
            raise errors.UserError("frames", "there are none", "Pass two or more")
        if any(frame.ndim != 3 for frame in frames):
            rule = f"a list or tuple of arrays {frames[0].shape}; it holds frames (h, w, 3)"
            raise errors.UserError("frames", rule, "Pass clips one after the other")
        for frame in frames:
            _check_form(frame, "frames")
        shapes = sorted({f"{frame.shape[1]}x{frame.shape[0]}" for frame in frames})
        if len(shapes) > 1:
            rule = f"sizes {' and '.join(shapes)}; frames share a size"
            raise errors.UserError("frames", rule, "Resize them")
    else:
        frames = _array(frames, "frames")
        if frames.ndim == 3 and frames.shape[-1] in (1, 3, 4):
            rule = f"one frame only, of shape {frames.shape}"
            raise errors.UserError("frames", rule, "Pass (t, h, w, 3), or a pair as a tuple (a, b)")
        frames = _with_channels(frames, 3)
        if frames.ndim != 4:
            rule = f"shape {frames.shape} is not (t, h, w, 3)"
            raise errors.UserError("frames", rule, "Pass a pair as a tuple (a, b)")
        _check_form(frames, "frames")
    for frame in frames:
        _check_values(frame, "frames")
    return frames


def take(frames: np.ndarray | Sequence[np.ndarray], part: slice) -> np.ndarray:
    """Returns float32 (n, h, w, 3) in [0, 1] of a part of a clip as `as_clip` gives it."""
    if isinstance(frames, np.ndarray):
        return as_frames(frames[part])
    return np.stack([as_frames(frame) for frame in frames[part]])


def same_size(shape: Sequence[int], first: Sequence[int], where: str) -> None:
    """Raises UserError for a frame of another size than the first one of its sequence."""
    if shape[:2] != first[:2]:
        rule = (
            f"a frame of {shape[1]}x{shape[0]} after {first[1]}x{first[0]}; frames of one "
            "sequence share a size"
        )
        raise errors.UserError(where, rule, "Resize or split the sequence")


def _array(frames: Any, where: str) -> np.ndarray:
    """Returns an array; bfloat16 and the like, which NumPy does not know, become float32."""
    try:
        frames = np.asarray(frames)
    except ValueError as error:  # lists of unequal lengths
        raise errors.UserError(where, f"are not an array ({error})", "Stack them") from None
    if frames.dtype.kind == "V" and frames.dtype.names is None and hasattr(frames.dtype, "type"):
        try:
            return frames.astype(np.float32)
        except (TypeError, ValueError):
            return frames
    return frames


def _with_channels(frames, least):
    return frames[..., None] if frames.ndim == least else frames


def _check_form(frames, where):
    if frames.ndim < 3 or frames.shape[-1] not in (1, 3, 4):
        raise errors.UserError(
            where,
            f"shape {frames.shape} is not (..., height, width, 1, 3 or 4)",
            "Put channels last",
        )
    if min(frames.shape[-3:-1]) < 2:
        raise errors.UserError(
            where, f"{frames.shape[-3]}x{frames.shape[-2]} is under 2x2 pixels", "Use larger frames"
        )


def _check_values(frames, where):
    if frames.dtype.name in _SCALE:
        return
    if not np.issubdtype(frames.dtype, np.floating):
        raise errors.UserError(
            where, f"dtype {frames.dtype} is not uint8, uint16 or float", "Convert the frames"
        )
    if not np.isfinite(frames).all():
        raise errors.UserError(where, "NaN or infinity in the pixels", "Clean the frames first")
    if frames.size and (frames.min() < 0 or frames.max() > 1):
        raise errors.UserError(
            where,
            f"float values from {frames.min():g} to {frames.max():g} are outside 0..1",
            "Divide by 255 or pass uint8",
        )


def _to_unit(frames, where):
    _check_values(frames, where)
    if frames.dtype.name not in _SCALE:
        return frames.astype(np.float32)
    out = frames.astype(np.float32)
    return np.divide(out, np.float32(_SCALE[frames.dtype.name]), out=out)
