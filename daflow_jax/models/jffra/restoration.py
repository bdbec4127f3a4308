"""The call of a restorer for clips: every frame in turn is the middle of its neighbours."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from daflow_jax import errors

# Immerkaer (1996), "Fast noise variance estimation": the difference of two Laplacians
_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def restore(
    module: Any,
    variables: Any,
    key: jax.Array,
    clips: Float[Array, "b f h w 3"],
    sigma: float | int | None = None,
) -> Float[Array, "b f H W 3"]:
    """Returns all frames restored, in [0, 1]; before the first and after the last stand mirrored
    ones.

    Args:
        sigma: noise of the frames in grey levels of 255, for networks that read it; None estimates
            it from every clip.

    Raises UserError for clips shorter than the window.
    """
    half, count = module.config.frames // 2, clips.shape[1]
    if count < module.config.frames:
        rule = f"{count} frames; this model restores the middle one of {module.config.frames}"
        raise errors.UserError("frames", rule, "Give a longer clip")
    noise = None
    if module.config.noise_map:
        noise = noise_level(clips) if sigma is None else jnp.full(len(clips), sigma / 255)
    streams = {"noise": key}

    def frame(at):
        window = jnp.take(clips, at, axis=1)
        return module.apply(variables, window, None, noise, rngs=streams).frame

    places = np.stack([_mirrored(t, half, count) for t in range(count)])
    restored = jax.lax.map(frame, jnp.asarray(places))
    return jnp.clip(jnp.moveaxis(restored, 0, 1), 0, 1)


def noise_level(clips: Float[Array, "b f h w 3"]) -> Float[Array, "b"]:
    """Returns the standard deviation of white noise in each clip, in units of the range.

    Fine texture counts as noise (Immerkaer 1996).
    """
    grey = clips.mean(-1)
    rows = [grey[:, :, y : grey.shape[2] - 2 + y] for y in range(3)]
    parts = [
        _MASK[y, x] * rows[y][..., x : grey.shape[3] - 2 + x] for y in range(3) for x in range(3)
    ]
    mean = jnp.abs(sum(parts)).mean((1, 2, 3))
    return mean * (np.sqrt(np.pi / 2) / 6 * np.sqrt(3))  # a mean of three channels has a third


def _mirrored(t: int, half: int, count: int) -> np.ndarray:
    """Returns the frames around t; index -1 is 1, and `count` is count - 2."""
    at = np.abs(np.arange(t - half, t + half + 1))
    return np.minimum(at, 2 * (count - 1) - at)
