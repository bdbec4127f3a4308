"""What flows from the data to a task: one dict of arrays, and its rules."""

from typing import TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from daflow_jax import errors


class Batch(TypedDict, total=False):
    """One batch of `b` clips of `f` frames; a key that a data set does not know is absent.

    `flow` leads from frame k to k+1 and `flow_back` from k+1 to k, in pixels (x right, y down); a
    pixel is `valid` where its flow is known, and in `occlusion` where it cannot be seen in the
    other frame. `weight` is 0 in rows that only pad the batch.
    """

    lq: Float[Array, "b f h w 3"]  # degraded frames in [0, 1]
    hq: Float[Array, "b f h w 3"]  # clean frames in [0, 1]
    flow: Float[Array, "b f-1 h w 2"]
    flow_back: Float[Array, "b f-1 h w 2"]
    valid: Bool[Array, "b f-1 h w"]
    valid_back: Bool[Array, "b f-1 h w"]
    occlusion: Bool[Array, "b f-1 h w"]
    occlusion_back: Bool[Array, "b f-1 h w"]
    instances: Int[Array, "b f h w"]
    classes: Int[Array, "b f h w"]
    weight: Float[Array, " b"]


_FRAMES = {"lq": jnp.float32, "hq": jnp.float32, "instances": jnp.int32, "classes": jnp.int32}
_FLOWS = {"flow": jnp.float32, "flow_back": jnp.float32}
_MASKS = ("valid", "valid_back", "occlusion", "occlusion_back")
MAX_PLAUSIBLE_FLOW = 10.0  # times the frame's longer side


def spec(size: int, frames: int, height: int, width: int, weight: bool = False) -> dict:
    """Returns the shapes and dtypes of a full batch of `size` clips (a dict of
    ShapeDtypeStruct).
    """
    clip, pairs = (size, frames, height, width), (size, frames - 1, height, width)
    shapes: dict[str, tuple[int, ...]] = {
        key: (*clip, 3) if key in ("lq", "hq") else clip for key in _FRAMES
    }
    shapes |= {key: (*pairs, 2) for key in _FLOWS} | {key: pairs for key in _MASKS}
    dtypes = _FRAMES | _FLOWS | {key: jnp.bool_ for key in _MASKS}
    if weight:
        shapes["weight"], dtypes["weight"] = (size,), jnp.float32
    return {key: jax.ShapeDtypeStruct(shape, dtypes[key]) for key, shape in shapes.items()}


def zeros(size: int, frames: int, height: int, width: int) -> Batch:
    """Returns a full batch of zeros with all flow valid, for shape evaluation and
    initialisation.
    """
    batch = {
        key: jnp.zeros(s.shape, s.dtype) for key, s in spec(size, frames, height, width).items()
    }
    return Batch(**batch | {"valid": jnp.ones_like(batch["valid"])})


def pad(batch: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """Returns the batch with `size` rows: the last row repeated with `weight` 0, true rows with
    weight 1.
    """
    rows = len(next(iter(batch.values())))
    weight = batch.get("weight", np.ones(rows, np.float32))
    missing = size - rows
    out = {key: np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) for key, x in batch.items()}
    return out | {"weight": np.concatenate([weight, np.zeros(missing, np.float32)])}


def check(batch: dict[str, np.ndarray]) -> None:
    """Raises UserError where a batch breaks the rules of `Batch`: keys, shapes, dtypes, ranges,
    finite.
    """
    if "lq" not in batch:
        raise errors.UserError("batch", "has no 'lq'", "Every batch needs degraded frames")
    shape = batch["lq"].shape
    if len(shape) != 5 or shape[-1] != 3:
        raise errors.UserError("batch lq", f"shape {shape}; the rule is (b, f, h, w, 3)")
    known = spec(*shape[:4], weight=True)
    for key, value in batch.items():
        if key not in known:
            raise errors.UserError(f"batch {key}", "unknown key", errors.nearest(key, known))
        want = known[key]
        if value.shape != want.shape or value.dtype != want.dtype:
            got = f"{value.dtype}{list(value.shape)}"
            raise errors.UserError(
                f"batch {key}", f"{got}; the rule is {want.dtype}{list(want.shape)}"
            )
        _check_values(key, np.asarray(value), np.asarray(batch.get("valid", True)), max(shape[2:4]))


def _check_values(key: str, value: np.ndarray, valid: np.ndarray, side: int) -> None:
    if key == "flow":
        value = np.where(valid[..., None], value, 0.0)
    if value.dtype == np.float32 and key != "flow_back" and not np.isfinite(value).all():
        raise errors.UserError(f"batch {key}", "holds NaN or infinity")
    if key in ("lq", "hq") and (value.min() < 0.0 or value.max() > 1.0):
        raise errors.UserError(
            f"batch {key}",
            f"values {value.min():.3g} to {value.max():.3g}; frames are floats in [0, 1]",
        )
    if key == "flow" and np.abs(value).max() > MAX_PLAUSIBLE_FLOW * side:
        raise errors.UserError(
            "batch flow",
            f"up to {np.abs(value).max():.3g} px in frames of {side} px",
            "Flow is in pixels; mark unknown flow in 'valid'",
        )
