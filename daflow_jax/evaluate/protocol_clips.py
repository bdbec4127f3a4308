"""Clips of a protocol, and their degraded frames as the protocol makes them."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax import errors
from daflow_jax.degrade import matlab_resize, published_noise, raw_noise, recognise
from daflow_jax.evaluate.protocols import Protocol


class Arrays(NamedTuple):
    """clean: (t, h, w, 3) uint8. given: degraded frames that came with the clip, or None."""

    clean: np.ndarray
    given: np.ndarray | None


class ProtocolClip(NamedTuple):
    """A name, and what reads the frames."""

    name: str
    read: Callable[[], Arrays]


def find(
    given: str | Path | Mapping[str, Any],
    protocol: Protocol,
    layout: str = "",
    limit: int | None = None,
) -> list[ProtocolClip]:
    """Returns the clips of a folder, or of {name: clean frames, or (clean, degraded)}.

    Args:
        layout: "" takes the protocol's.
    """
    if isinstance(given, Mapping):
        pairs = {k: v if isinstance(v, tuple) else (v, None) for k, v in given.items()}
        made = [
            ProtocolClip(name, functools.partial(_arrays, name, *pair))
            for name, pair in pairs.items()
        ]
        return made[:limit]
    from daflow_jax import datasets

    clips = datasets.list_clips(given, layout or protocol.layout)
    wanted = [clip for clip in clips if clip.split in (protocol.kind, "gt")]
    if protocol.scale > 1 and any(clip.split == protocol.kind for clip in wanted):
        clips = [clip for clip in wanted if clip.split == protocol.kind]
    elif any(clip.split == "gt" for clip in clips):
        clips = [clip for clip in clips if clip.split == "gt"]
    return [ProtocolClip(clip.name, functools.partial(_read, clip)) for clip in clips[:limit]]


def _read(clip: Any) -> Arrays:
    clip.check()
    arrays = clip.read(0, len(clip))
    return _arrays(clip.name, arrays["hq"], arrays.get("lq"))


def _arrays(name: str, clean: Any, given: Any) -> Arrays:
    return Arrays(as_frames(name, clean), None if given is None else as_frames(name, given))


def as_frames(name: str, frames: Any) -> np.ndarray:
    """Returns frames (t, h, w, 3) uint8 or uint16; grey ones are repeated.

    Raises UserError for frames of several sizes, or of another form.
    """
    try:
        frames = np.asarray(frames)
    except ValueError:
        rule = "frames of several sizes; those of one clip share a size"
        raise errors.UserError(name, rule, "Resize the frames or split the clip") from None
    frames = frames[..., None] if frames.ndim == 3 else frames
    if (
        frames.dtype not in (np.uint8, np.uint16)
        or frames.ndim != 4
        or frames.shape[-1] not in (1, 3)
    ):
        rule = f"frames are {frames.dtype} {frames.shape}"
        raise errors.UserError(name, rule, "Give uint8 or uint16 frames (t, h, w, 3 or 1)")
    return np.repeat(frames, 3, -1) if frames.shape[-1] == 1 else frames


def prepared(name: str, arrays: Arrays, protocol: Protocol, condition: str) -> tuple[Any, Any]:
    """Returns (clean uint8, degraded) frames of one condition.

    Degraded frames are uint8, or for "noise" float32 around [0, 1]. Raises UserError where given
    frames are not what the protocol evaluates.
    """
    if protocol.kind == "raw":
        given = _needed(name, arrays.given)
        return _developed(arrays.clean), _developed(given)
    clean = _eight_bits(arrays.clean)
    if protocol.kind == "noise":
        sigma = int(condition.split()[-1])
        return clean, clean / np.float32(255) + published_noise.of_clip(clean.shape, sigma)
    if protocol.kind == "given":
        given = _eight_bits(_needed(name, arrays.given))
        _check_size(name, given, clean, 1)
        return clean, given
    height, width = (side // 4 * 4 for side in clean.shape[1:3])
    clean = clean[:, :height, :width]
    if arrays.given is None:
        made = recognise.KINDS[protocol.kind](clean.astype(np.float64) / 255)
        return clean, np.round(255 * matlab_resize.stored(made)).astype(np.uint8)
    small = _eight_bits(arrays.given)
    _check_size(name, small, clean, 4)
    _check_kind(name, clean, small, protocol.kind)
    return clean, small


def _check_kind(name: str, clean: np.ndarray, small: np.ndarray, kind: str) -> None:
    found = recognise.recognise(clean[0], small[0])
    if found.kind != kind and found.errors[found.kind] < 0.7 * found.errors[kind]:
        what = recognise.TITLES[found.kind]
        rule = f"the small frames are {what}; this protocol is {recognise.TITLES[kind]}"
        remedy = f"Use data made as {kind.upper()}, or a protocol that ends in {found.kind}"
        raise errors.UserError(name, rule, remedy)


def _check_size(name: str, small: np.ndarray, clean: np.ndarray, scale: int) -> None:
    want = tuple(side // scale for side in clean.shape[1:3])
    if len(small) != len(clean) or small.shape[1:3] != want:
        got = f"{len(small)} frames of {small.shape[2]}x{small.shape[1]}"
        rule = f"{got} beside {len(clean)} clean ones of {clean.shape[2]}x{clean.shape[1]}"
        raise errors.UserError(name, rule, f"Clean frames are {scale} times as large, as many")


def _needed(name: str, given: np.ndarray | None) -> np.ndarray:
    if given is None:
        rule = "has clean frames alone, and this protocol needs degraded ones beside them"
        raise errors.UserError(name, rule, "Take the data set of the protocol")
    return given


def _eight_bits(frames: np.ndarray) -> np.ndarray:
    return (frames >> 8).astype(np.uint8) if frames.dtype == np.uint16 else frames


def _developed(raw: np.ndarray) -> np.ndarray:
    frames = raw_noise.develop(raw[..., 0].astype(np.float32))
    return np.round(255 * frames).astype(np.uint8)
