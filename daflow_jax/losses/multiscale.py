"""Losses of flow that is predicted at several sizes at once: FlowNet's and PWC-Net's."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from daflow_jax import errors

UNIT = 20.0  # pixels per unit of predicted flow, at all sizes (FlowNet, PWC-Net)
FINEST = 2  # levels[0] is at 1 / 2^2 of the size
Error = Literal["l1", "l2", "smooth_l2", "robust"]


class Objective(NamedTuple):
    """One published loss.

    error: of a pixel, from (du, dv): "l1" (|du| + |dv|) / 2, "l2" sqrt(du^2 + dv^2), "smooth_l2"
        sqrt(du^2 + dv^2 + 0.01), "robust" (|du| + |dv| + 0.01)^0.4.
    weights: of the levels at 1/4, 1/8 ... of the size.
    total: True sums over the pixels of a pair, False takes their mean.
    window: how targets are reduced, "block" (means of 2^l x 2^l pixels) or "triangle".
    """

    error: Error
    weights: tuple[float, ...]
    total: bool
    window: Literal["block", "triangle"]


_PWCNET = (0.005, 0.01, 0.02, 0.08, 0.32)  # PWC-Net, sec. 4, levels 2 to 6
_FLOWNET = (0.32, 0.16, 0.08, 0.04, 0.02)  # MultiScale of FlowNet2's PyTorch code
PUBLISHED: dict[str, Objective] = {
    "pwcnet_l2": Objective("smooth_l2", _PWCNET, True, "triangle"),  # first training
    "pwcnet_robust": Objective("robust", _PWCNET, True, "triangle"),  # fine-tuning
    "flownet_l1": Objective("l1", _FLOWNET, False, "block"),
    "flownet_l2": Objective("l2", _FLOWNET, False, "block"),
}


def loss(
    levels: Sequence[Float[Array, "*b _ _ 2"]],
    target: Float[Array, "*b h w 2"],
    valid: Bool[Array, "*b h w"],
    objective: Objective,
) -> Float[Array, ""]:
    """Returns the weighted sum over levels of `terms`."""
    weights = jnp.asarray(objective.weights, jnp.float32)
    return jnp.sum(weights * jnp.stack(terms(levels, target, valid, objective)))


def terms(
    levels: Sequence[Float[Array, "*b _ _ 2"]],
    target: Float[Array, "*b h w 2"],
    valid: Bool[Array, "*b h w"],
    objective: Objective,
) -> list[Float[Array, ""]]:
    """Returns the error of each level, averaged over pairs: a sum over pixels, or their mean.

    Args:
        levels: flow at 1/4, 1/8 ... of the size, in units of 20 pixels.
        target: flow in pixels. valid: where it is known; a reduced pixel counts if at least half of
            what it is made of is known. Others add nothing, and means run over all pixels.
    """
    if len(levels) != len(objective.weights):
        raise ValueError(f"{len(levels)} levels for {len(objective.weights)} weights")
    found = []
    for number, flow in enumerate(levels, FINEST):
        goal, known = reduced(target, valid, number, objective.window)
        difference = jnp.where(known[..., None], flow.astype(jnp.float32) - goal, 0.0)
        wrong = jnp.where(known, _ERRORS[objective.error](difference), 0.0)
        per_pair = jnp.sum(wrong, (-2, -1)) if objective.total else jnp.mean(wrong, (-2, -1))
        found.append(jnp.mean(per_pair))
    return found


def _l2(d):
    square = jnp.sum(d**2, -1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


_ERRORS = {
    "l1": lambda d: jnp.mean(jnp.abs(d), -1),
    "l2": _l2,  # its slope at zero is 0, not infinite
    "smooth_l2": lambda d: jnp.sqrt(jnp.sum(d**2, -1) + 0.01),
    "robust": lambda d: (jnp.sum(jnp.abs(d), -1) + 0.01) ** 0.4,
}


def reduced(
    target: Float[Array, "*b h w 2"],
    valid: Bool[Array, "*b h w"],
    level: int,
    window: Literal["block", "triangle"],
) -> tuple[Float[Array, "*b _ _ 2"], Bool[Array, "*b _ _"]]:
    """Returns the target at 1 / 2^level of the size, in units of 20 pixels, and where it is known.

    Raises UserError for a triangle at a side of one pixel, whose width has no meaning.
    """
    height, width = target.shape[-3:-1]
    rows, columns = (_window(side, side >> level, window) for side in (height, width))
    known = valid.astype(jnp.float32)
    flow = jnp.where(valid[..., None], target.astype(jnp.float32), 0.0) / UNIT
    both = jnp.concatenate([flow, known[..., None]], -1)
    both = jnp.einsum("yh,...hwc->...ywc", rows, both, precision="highest")
    both = jnp.einsum("xw,...ywc->...yxc", columns, both, precision="highest")
    share = both[..., 2]
    # what is undefined holds at most half of the window
    return both[..., :2] / jnp.maximum(share, 1e-6)[..., None], share >= 0.5 - 1e-6


def _window(side: int, small: int, window: str) -> jax.Array:
    """Returns the (small, side) matrix whose rows are the weights of the samples of one."""
    if window == "block":
        return jnp.asarray(
            np.kron(np.eye(small), np.full((1, side // small), small / side)), jnp.float32
        )
    if small < 2:
        rule = f"a side of {side} is one pixel at the smallest level, where the window is undefined"
        raise errors.UserError("optical_flow", rule, f"Train on {2 * side // small} pixels or more")
    step = (side - 1) / (small - 1)
    centre = np.arange(small)[:, None] * step
    at = np.arange(side)[None]
    near = np.abs(at - np.round(centre)) <= np.ceil(step)
    weights = np.maximum(0.0, 1 - np.abs(at - centre) / step) * near
    return jnp.asarray(weights / weights.sum(1, keepdims=True), jnp.float32)
