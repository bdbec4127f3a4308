"""What forward and backward flow say about each other, and the flow that starts the next pair."""

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.ops import occlusion, warp
from daflow_jax.predict.flow import warm_start
from daflow_jax.predict.flow.result import Result


def compare(flow: np.ndarray, backward: np.ndarray, device: jax.Device | None = None) -> Result:
    """Returns the Result with occlusion and confidence of flows (..., h, w, 2), found on `device`
    (None: JAX's first).

    Occluded where |f + b|^2 > 0.01 (|f|^2 + |b|^2) + 0.5, b read where f points (Sundaram, Brox and
    Keutzer 2010; the form of UnFlow). Confidence is exp(-|f + b|^2 / that bound): 1 = consistent,
    1/e on the border of occlusion, 0 where the flow leaves the frame.
    """
    occluded, confidence = _compare(*jax.device_put((flow, backward), device))
    return Result(flow, backward, np.asarray(occluded), np.asarray(confidence))


@jax.jit
def _compare(flow, backward):
    back = warp.warp(backward, flow)
    bound = 0.01 * (_square(flow) + _square(back)) + 0.5
    height, width = flow.shape[-3:-1]
    x = jnp.arange(width) + flow[..., 0]
    y = jnp.arange(height)[:, None] + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    confidence = jnp.where(inside, jnp.exp(-_square(flow + back) / bound), 0.0)
    return occlusion.forward_backward_mask(flow, backward), confidence.astype(jnp.float32)


def _square(x):
    return jnp.sum(x * x, axis=-1)


def carry(low: np.ndarray | None, pairs: int) -> np.ndarray | None:
    """Returns the start of the next window of `pairs` pairs from the last flow on the network's
    low grid.

    Args:
        low: (n, hl, wl, 2), or None where tiles gave none.
    """
    if low is None:
        return None
    starts = [low[-1]]
    for _ in range(pairs):
        starts.append(warm_start.forward_interpolate(starts[-1]))
    return np.stack(starts[1:]).astype(np.float32)
