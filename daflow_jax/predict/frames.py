"""Every accepted form of frames brought to float32 in [0, 1] with three channels."""

import numpy as np

from daflow_jax import errors

_SCALE = {"uint8": 255.0, "uint16": 65535.0}


def as_frames(frames: np.ndarray, where: str = "frames") -> np.ndarray:
    """Returns float32 (..., h, w, 3) in [0, 1].

    Takes uint8, uint16 or float in [0, 1]; grey (..., h, w, 1) is repeated, alpha is dropped. A
    missing channel axis must be added by the caller. Anything else raises UserError.
    """
    frames = np.asarray(frames)
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
    out = _to_unit(frames, where)
    if out.shape[-1] == 4:
        out = out[..., :3]
    return np.repeat(out, 3, axis=-1) if out.shape[-1] == 1 else out


def _to_unit(frames, where):
    if frames.dtype.name in _SCALE:
        return frames.astype(np.float32) / np.float32(_SCALE[frames.dtype.name])
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
    return frames.astype(np.float32)
