"""Flow of a teacher that saw the true frame, learned where it does better (RIFE, sec. 3.3)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

MARGIN = 0.01  # of colour, by which the teacher's frame must be better (RIFE's code)


def flow_distillation(
    flows: Float[Array, "n *b h w c"],
    frames: Float[Array, "n *b h w 3"],
    teacher_flow: Float[Array, "*b h w c"],
    teacher_frames: Float[Array, "*b h w 3"],
    target: Float[Array, "*b h w 3"],
) -> Float[Array, "*b"]:
    """Returns the root mean square difference of the flows, summed over the student's n flows and
    averaged over pixels, one value a picture.

    A pixel counts where the mean absolute error of the frame that a flow gives exceeds that of the
    teacher's by `MARGIN`. No gradient reaches the teacher, nor the choice of pixels.

    Args:
        frames: what the student's flows give.
    """
    taught = _error(teacher_frames, target)
    counted = jax.lax.stop_gradient(_error(frames, target) > taught + MARGIN)
    difference = jax.lax.stop_gradient(teacher_flow) - flows
    distance = _root(jnp.mean(jnp.square(difference.astype(jnp.float32)), -1))
    return jnp.sum(jnp.mean(jnp.where(counted, distance, 0), (-2, -1)), 0)


def _error(frames, target):
    return jnp.mean(jnp.abs(frames.astype(jnp.float32) - target.astype(jnp.float32)), -1)


def _root(x):
    """Returns the square root with gradient 0 at 0, where the plain one's is not a number."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)
