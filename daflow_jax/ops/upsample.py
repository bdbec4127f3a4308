"""From the 1/8 grid to pixels (RAFT, sec. 3.3)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.ops import resize

FACTOR = 8


def convex_upsample(
    flow: Float[Array, "p h w c"],
    mask: Float[Array, "p h w k"],
    scale: float = 8.0,
    factor: int = FACTOR,
) -> Float[Array, "p h*{factor} w*{factor} c"]:
    """Returns `scale * flow` at `factor` x its size, each value a convex mix of a 3 x 3
    neighbourhood.

    Args:
        flow: values on the 1/factor grid; zero outside.
        mask: logits, channel = tap * factor^2 + row * factor + column, taps in row-major order.
        scale: 8 for flow in 1/8 pixels (RAFT), 1 for quantities without a unit of length.
    """
    p, h, w, c = flow.shape
    logits = mask.astype(jnp.float32).reshape(p, h, w, 9, factor * factor)
    fine = _mix(scale * flow, jax.nn.softmax(logits, axis=3))
    fine = fine.reshape(p, h, w, factor, factor, c).transpose(0, 1, 3, 2, 4, 5)
    return fine.reshape(p, h * factor, w * factor, c)


def _neighbours(flow):
    """Returns the 3 x 3 neighbourhood, row by row, as nine shifted arrays; zero outside."""
    h, w = flow.shape[1:3]
    padded = jnp.pad(flow, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3)]


@jax.custom_vjp
def _mix(flow, weights):
    """Returns (p, h, w, 64, c): weights (p, h, w, 9, 64) times the neighbourhood of flow.

    A sum of nine products fuses into one pass, where a patch tensor would not; so does the gradient
    below, but not the one that automatic differentiation makes.
    """
    taps = _neighbours(flow)
    return sum(weights[:, :, :, t, :, None] * tap[:, :, :, None, :] for t, tap in enumerate(taps))


def _mix_forward(flow, weights):
    return _mix(flow, weights), (flow, weights)


def _mix_backward(residuals, grad):
    flow, weights = residuals
    planes = [grad[..., c] for c in range(flow.shape[-1])]
    d_weights = jnp.stack(
        [
            sum(tap[..., c, None] * plane for c, plane in enumerate(planes))
            for tap in _neighbours(flow)
        ],
        axis=3,
    )
    d_taps = jnp.einsum("phwts,phwsc->phwtc", weights, grad)
    h, w = flow.shape[1:3]
    d_padded = jnp.zeros((flow.shape[0], h + 2, w + 2, flow.shape[-1]), grad.dtype)
    for t in range(9):
        i, j = divmod(t, 3)
        d_padded += jnp.pad(d_taps[:, :, :, t], ((0, 0), (i, 2 - i), (j, 2 - j), (0, 0)))
    return d_padded[:, 1:-1, 1:-1].astype(flow.dtype), d_weights.astype(weights.dtype)


_mix.defvjp(_mix_forward, _mix_backward)


def upflow(flow: Float[Array, "p h w c"], scale: float = 8.0) -> Float[Array, "p h*8 w*8 c"]:
    """Returns `scale * flow` at 8 x its size, bilinear with corners aligned (RAFT-small).

    `scale` is as in `convex_upsample`.
    """
    _, h, w, _ = flow.shape
    return scale * resize.resize_align_corners(flow, (h * FACTOR, w * FACTOR))
