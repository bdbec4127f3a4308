"""Self-distillation with a centred, sharpened teacher (DINO; DoRA, ICLR 2024, main.py)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

STUDENT_TEMPERATURE, TEACHER_TEMPERATURE, CENTER_MOMENTUM = 0.1, 0.04, 0.9


def cross_entropy(
    student: Float[Array, "*b o"],
    teacher: Float[Array, "... o"],
    center: Float[Array, " o"],
    student_temperature: float = STUDENT_TEMPERATURE,
    teacher_temperature: float = TEACHER_TEMPERATURE,
) -> Float[Array, "*b"]:
    """Returns the cross-entropy of the student's softmax under the centred teacher's, which has no
    gradient and is broadcast to the student's shape.
    """
    target = jax.nn.softmax((teacher.astype(jnp.float32) - center) / teacher_temperature, -1)
    scores = jax.nn.log_softmax(student.astype(jnp.float32) / student_temperature, -1)
    return -jnp.sum(jax.lax.stop_gradient(target) * scores, -1)


def moved_center(
    center: Float[Array, " o"],
    teacher: Float[Array, "*b o"],
    momentum: float = CENTER_MOMENTUM,
) -> Float[Array, " o"]:
    """Returns the centre after it has followed the mean of this batch's outputs."""
    mean = jnp.mean(teacher.astype(jnp.float32), tuple(range(teacher.ndim - 1)))
    return momentum * center + (1 - momentum) * mean


def over_objects(
    masked: Float[Array, "objects frames"], local: Float[Array, "frames crops"], published: bool
) -> Float[Array, ""]:
    """Returns DoRA's loss of one batch from the cross-entropies of masked clips and local crops.

    Plain: the mean over objects, frames and all crops of (masked + local) / 2. As published, the
    running sum is not reset between objects, F <- (F + ...) / frames, so that the first one counts
    1 + 1/T + 1/T^2, and the first local crop is never used.
    """
    if not published:
        return (jnp.mean(masked) + jnp.mean(local)) / 2
    frames = masked.shape[1]
    crops = jnp.sum(jnp.mean(local[:, 1:], 1))
    total, running = jnp.float32(0), jnp.float32(0)
    for row in masked:
        running = (running + (jnp.sum(row) + crops) / 2) / frames
        total = total + running
    return total / len(masked)
