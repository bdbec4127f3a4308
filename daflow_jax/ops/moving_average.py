"""A teacher's parameters that follow a student's, and how fast."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float


def momentum(step: ArrayLike, base: float, steps: int) -> Float[Array, "..."]:
    """Returns how much of the teacher stays at `step`: from `base` to 1 over `steps` by half a
    cosine (BYOL), or `base` always where `steps` is 0.
    """
    if not steps:
        return jnp.float32(base)
    part = jnp.clip(jnp.asarray(step, jnp.float32) / steps, 0, 1)
    return 1 - (1 - base) * (jnp.cos(jnp.pi * part) + 1) / 2


def follow(teacher: Any, student: Any, keep: ArrayLike) -> Any:
    """Returns keep teacher + (1 - keep) student, leaf by leaf, in float32."""

    def move(old, new):
        old, new = old.astype(jnp.float32), new.astype(jnp.float32)
        return keep * old + (1 - keep) * new

    return jax.tree.map(move, teacher, student)
