"""The degradations of the field's protocols, inside jit: whole clips, random keys, no rounding
unless a protocol stores 8 bits.

Clips are float32 (b, f, h, w, 3) in [0, 1]; noise is neither clipped nor rounded, as in VRT.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from daflow_jax.degrade import blur_down, matlab_resize, raw_noise


def white_noise(
    key: jax.Array, clips: Float[Array, "b f h w 3"], low: float | int, high: float | int
) -> tuple[Float[Array, "b f h w 3"], Float[Array, "b"]]:
    """Returns noisy clips and the standard deviation of each, in units of the range.

    Args:
        low, high: grey levels of 255; drawn evenly, one level for all frames of a clip.
    """
    draw, noise = jax.random.split(key)
    level = jax.random.uniform(draw, (len(clips),), minval=low, maxval=high) / 255
    return clips + level[:, None, None, None, None] * jax.random.normal(noise, clips.shape), level


def bi(clips: Float[Array, "b f h w 3"]) -> Float[Array, "b f h//4 w//4 3"]:
    """Returns clips at a quarter of the size by MATLAB's bicubic imresize, as 8-bit files."""
    return matlab_resize.stored(matlab_resize.resize(clips, 1 / 4))


def bd(clips: Float[Array, "b f h w 3"]) -> Float[Array, "b f h//4 w//4 3"]:
    """Returns clips blurred and at a quarter of the size (MATLAB's BD), as 8-bit files."""
    return matlab_resize.stored(blur_down.blur_down(clips))


def sensor_noise(
    key: jax.Array, clips: Float[Array, "b f h w 3"], isos: Sequence[int]
) -> Float[Array, "b f h w 3"]:
    """Returns clips with the noise of CRVD's sensor at an ISO drawn for each clip.

    See `raw_noise` for the stand-in of the camera's pipeline.
    """
    known = jnp.array([raw_noise.CRVD[iso] for iso in isos], jnp.float32)
    drawn, counts, read = jax.random.split(key, 3)
    chosen = known[jax.random.randint(drawn, (len(clips),), 0, len(isos))]

    def one(clip, sensor, counts, read):
        gain, variance = sensor[0], sensor[1]
        return raw_noise.add(
            clip,
            raw_noise.Sensor(gain, variance),
            lambda mean: jax.random.poisson(counts, mean).astype(jnp.float32),
            lambda shape: jax.random.normal(read, shape),
        )

    keys = (jax.random.split(key, len(clips)) for key in (counts, read))
    return jax.vmap(one)(clips, chosen, *keys)
