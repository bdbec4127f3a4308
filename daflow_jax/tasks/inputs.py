"""What a task asks of a batch: a table of named arrays, and what follows from it.

A batch is a dict of arrays whose first axis counts clips. Its keys, shapes, dtypes and units are
those that the task declares; nothing here knows a task.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from daflow_jax import errors

Batch = Mapping[str, Any]
Sizes = Mapping[str, int]  # axis letter -> length: b clips, f frames, h rows, w columns, ...
MAX_PLAUSIBLE_FLOW = 10.0  # times the frame's longer side
LEAST_CHANGE = 1 / 2550  # [choice] a tenth of a grey level between frames: below, nothing moves
_AXIS = re.compile(r"(?:(\d+)\*)?([a-z])(?:/(\d+))?([+-]\d+)?")


class Input(NamedTuple):
    """One array of a batch.

    shape: axes, separated by spaces: a letter of the clip's size, arithmetic on one ("f-1",
        "2*h", "w/8+1"), or a number. The first is "b".
    unit: "[0, 1]" (checked: the range), "px" (checked: plausible lengths), or any other word.
    optional: whether the task also works without it.
    known: name of the mask that says where the values count; elsewhere they may be anything.
    moving: whether frames in which nothing moves are refused, since motion is what is learned from.
    """

    shape: str
    dtype: DTypeLike = np.float32
    unit: str = ""
    optional: bool = False
    known: str = ""
    moving: bool = False


Inputs = Mapping[str, Input]

FRAMES = Input("b f h w 3", np.float32, "[0, 1]")
FLOW = Input("b f-1 h w 2", np.float32, "px", known="valid")  # from frame k to k+1: x right, y down
FLOW_BACK = FLOW._replace(known="valid_back")  # from frame k+1 to k
MASK = Input("b f-1 h w", np.bool_, "mask")
LABELS = Input("b f h w", np.int32, "label")
WEIGHT = Input("b", np.float32, "[0, 1]", optional=True)  # 0 in rows that only pad the batch

CLIP: Inputs = {  # what clips of optical flow may hold
    "lq": FRAMES,
    "hq": FRAMES,
    "flow": FLOW,
    "flow_back": FLOW_BACK,
    "valid": MASK,
    "valid_back": MASK,
    "occlusion": MASK,
    "occlusion_back": MASK,
    "instances": LABELS,
    "classes": LABELS,
}


def optional(declared: Input) -> Input:
    """Returns the input as one that the task also works without."""
    return declared._replace(optional=True)


def keys(inputs: Inputs, wanted: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Returns the names of a batch, "weight" last: those of `wanted`, or all that are declared.

    Raises UserError for a name that the task does not declare, and for one that it needs.
    """
    known = {**inputs, "weight": WEIGHT}
    for key in wanted:
        if key not in known:
            rule = f"unknown key {key!r}"
            raise errors.UserError("config.data.keys", rule, errors.nearest(key, known))
    chosen = wanted or tuple(inputs)
    for key, declared in inputs.items():
        if key not in chosen and not declared.optional:
            rule = f"lacks {key!r}, which the task reads"
            raise errors.UserError("config.data.keys", rule, "Add it, or leave data.keys empty")
    return tuple(key for key in chosen if key != "weight") + ("weight",)


def sizes(inputs: Inputs, batch: Batch) -> dict[str, int]:
    """Returns the length of every axis letter that stands alone in the shape of an array."""
    found: dict[str, int] = {}
    for key, declared in inputs.items():
        axes, shape = declared.shape.split(), np.shape(batch[key]) if key in batch else ()
        if len(axes) == len(shape):
            for axis, length in zip(axes, shape, strict=True):
                if len(axis) == 1 and axis.isalpha():
                    found.setdefault(axis, length)
    return found


def spec(
    inputs: Inputs, clip: Sizes, wanted: tuple[str, ...] = ()
) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes and dtypes of a batch of these sizes: of all inputs, or of `wanted`."""
    known = {**inputs, "weight": WEIGHT}
    return {
        key: jax.ShapeDtypeStruct(_shape(key, known[key], clip), known[key].dtype)
        for key in wanted or inputs
    }


def zeros(inputs: Inputs, clip: Sizes, wanted: tuple[str, ...] = ()) -> dict[str, jax.Array]:
    """Returns a batch of zeros in which every mask is true and every row counts."""
    known = {**inputs, "weight": WEIGHT}
    masks = {"weight", *(declared.known for declared in known.values())}
    return {
        key: (jnp.ones if key in masks else jnp.zeros)(x.shape, x.dtype)
        for key, x in spec(inputs, clip, wanted).items()
    }


def pad(batch: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """Returns the batch with `size` rows: the last row repeated with `weight` 0, true rows with
    weight 1.
    """
    rows = len(next(iter(batch.values())))
    weight = batch.get("weight", np.ones(rows, np.float32))
    missing = size - rows
    out = {key: np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) for key, x in batch.items()}
    return out | {"weight": np.concatenate([weight, np.zeros(missing, np.float32)])}


def check(inputs: Inputs, batch: Batch) -> None:
    """Raises UserError where a batch breaks the task's list: keys, shapes, dtypes, ranges, NaN."""
    known = {**inputs, "weight": WEIGHT}
    for key, declared in inputs.items():
        if key not in batch and not declared.optional:
            raise errors.UserError("batch", f"has no {key!r}", "Every batch of this task needs it")
    for key, value in batch.items():
        if key not in known:
            raise errors.UserError(f"batch {key}", "unknown key", errors.nearest(key, known))
        if np.ndim(value) != len(known[key].shape.split()):
            rule = f"shape {np.shape(value)}; the rule is ({known[key].shape})"
            raise errors.UserError(f"batch {key}", rule)
    clip = sizes(known, batch)
    for key, value in batch.items():
        want = jax.ShapeDtypeStruct(_shape(key, known[key], clip), known[key].dtype)
        if value.shape != want.shape or value.dtype != want.dtype:
            got = f"{value.dtype}{list(value.shape)}"
            rule = f"{got}; the rule is {want.dtype}{list(want.shape)}"
            raise errors.UserError(f"batch {key}", rule)
        _check_values(key, np.asarray(value), known[key], batch)


def _check_values(key: str, value: np.ndarray, declared: Input, batch: Batch) -> None:
    if not np.issubdtype(value.dtype, np.floating) or not value.size:
        return
    if declared.known in batch:
        mask = np.asarray(batch[declared.known])
        value = np.where(mask[(...,) + (None,) * (value.ndim - mask.ndim)], value, 0)
    if not np.isfinite(value).all():
        raise errors.UserError(f"batch {key}", "holds NaN or infinity")
    low, high = value.min(), value.max()
    if declared.unit == "[0, 1]" and (low < 0 or high > 1):
        what = f"values {low:.3g} to {high:.3g}; {'frames are' if value.ndim > 1 else 'it is'}"
        raise errors.UserError(f"batch {key}", f"{what} floats in [0, 1]")
    if declared.moving:
        _check_moving(key, value)
    side = max(value.shape[-3:-1], default=0)
    if declared.unit == "px" and max(-low, high) > MAX_PLAUSIBLE_FLOW * side:
        mask = declared.known or "a mask"
        rule = f"up to {max(-low, high):.3g} px in frames of {side} px"
        remedy = f"Flow is in pixels; mark unknown flow in {mask!r}"
        raise errors.UserError(f"batch {key}", rule, remedy)


def _check_moving(key: str, frames: np.ndarray) -> None:
    change = float(np.abs(np.diff(frames, axis=1)).mean())
    if change < LEAST_CHANGE:
        rule = f"frames of a clip differ by {255 * change:.2g} grey levels: nothing moves in them"
        remedy = "Use clips with motion, or frames that are further apart (config.data.gap)"
        raise errors.UserError(f"batch {key}", rule, remedy)


def _shape(key: str, declared: Input, clip: Sizes) -> tuple[int, ...]:
    return tuple(_length(key, axis, clip) for axis in declared.shape.split())


def _length(key: str, axis: str, clip: Sizes) -> int:
    """Returns the length of one axis; ValueError for one that cannot be read or is not bound."""
    if axis.isdigit():
        return int(axis)
    match = _AXIS.fullmatch(axis)
    if match is None or match[2] not in clip:
        rule = f"axis {axis!r} of input {key!r} is not made of the sizes {', '.join(clip)}"
        raise ValueError(f"{rule}; write a number, a letter, or arithmetic such as f-1, 2*h, w/8")
    times, letter, parts, more = match.groups()
    return int(times or 1) * clip[letter] // int(parts or 1) + int(more or 0)
