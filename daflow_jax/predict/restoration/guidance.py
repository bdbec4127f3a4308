"""Restored frames that agree with the one before: flow-guided restoration of frame-wise networks.

DA-Flow, appendix C.4: the previous result, warped by flow, guides the next one by the gradient of
their squared distance. A network that restores a frame at once has one step of it, and a pixel
takes it as far as the flow there is sure and both agree already: what changes stays as restored.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from daflow_jax.ops import warp

WEIGHT = 0.7  # [choice] share of the warped result where flow and frames agree
ALPHA = 50.0  # [choice] exp(-ALPHA |difference|^2) is how far they agree


class Made(NamedTuple):
    """frame: (h, w, 3) as it was read. result: (s h, s w, 3), float in [0, 1] or uint8. final:
    whether it stays as it is, since an earlier run made it."""

    frame: np.ndarray
    result: np.ndarray
    final: bool = False


class Guide(NamedTuple):
    """flow: a `predict.FlowModel`. weight: how far the previous result is followed, in [0, 1)."""

    flow: Any
    weight: float = WEIGHT


def guided(made: Iterable[Made], guide: Guide) -> Iterator[np.ndarray]:
    """Yields the results of one clip, guided, uint8 (s h, s w, 3).

    Flow from every frame to the one before is estimated on the frames as they were read. What
    guides is the eight-bit result, so that a run that goes on gives the same as one that did not
    stop.
    """
    before: tuple[np.ndarray, np.ndarray] | None = None
    for one in made:
        result = one.result
        if before is not None and not one.final:
            pair = guide.flow((one.frame, before[0]), bidirectional=True)
            arrays = (result, before[1], pair.flow, pair.confidence)
            result = np.asarray(step(*jax.device_put(arrays, guide.flow.device), guide.weight))
        result = levels(result)
        before = one.frame, result
        yield result


def levels(result: np.ndarray) -> np.ndarray:
    """Returns a result as uint8."""
    return result if result.dtype == np.uint8 else np.rint(255 * result).astype(np.uint8)


@jax.jit
def step(
    result: Any,
    previous: Any,
    flow: Float[Array, "h w 2"],
    confidence: Float[Array, "h w"],
    weight: Float[Array, ""] | float,
) -> Float[Array, "H W 3"]:
    """Returns a result after its step towards the previous one.

    Args:
        result, previous: (H, W, 3), float in [0, 1] or uint8; of this frame and the one before.
        flow: pixels, from this frame to the one before, both of the size that was read.
        confidence: of the flow, in [0, 1].
    """
    result, previous = _unit(result), _unit(previous)
    size, scale = result.shape[:2], result.shape[0] / flow.shape[0]
    resized = _enlarged(jnp.concatenate([scale * flow, confidence[..., None]], axis=-1), size)
    moved = warp.warp(previous, resized[..., :2], "edge")
    difference = result - moved
    agreement = jnp.exp(-ALPHA * jnp.sum(difference * difference, axis=-1))
    share = weight * resized[..., 2] * agreement
    return result - share[..., None] * difference


def _unit(x):
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x


def _enlarged(maps, size):
    return jax.image.resize(maps, (*size, maps.shape[-1]), "linear", antialias=False)
