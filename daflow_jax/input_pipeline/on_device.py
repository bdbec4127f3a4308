"""Whole batches made on the accelerator, inside jit: the generator and the degradation together.

Nothing here (nor below it) imports grain, OpenCV or PyAV; the texture atlas is made on any machine
with OpenCV by `synthetic.textures.atlas` and passed in.
"""

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.degrade import device as degrade
from daflow_jax.degrade import device_published, published
from daflow_jax.input_pipeline import settings
from daflow_jax.synthetic import device as generate


def device_batch(
    config: settings.DataConfig,
    atlas: jax.Array | np.ndarray,
    seed: jax.Array | int,
    step: jax.Array | int,
    batch_size: int,
) -> dict[str, jax.Array]:
    """Returns the batch of a step, with `config.keys`: a function of (seed, step).

    Row i holds clip step * batch_size + i of the stream `seed`: the clean clip that the host's
    loader gives there, differently degraded. Trace it inside jit; `seed` and `step` may be traced.
    """
    first = jnp.asarray(step).astype(jnp.uint32) * jnp.uint32(batch_size)
    index = first + jnp.arange(batch_size, dtype=jnp.uint32)
    return jax.vmap(lambda i: _clip(config, atlas, seed, i))(index)


def _clip(
    config: settings.DataConfig,
    atlas: jax.Array | np.ndarray,
    seed: jax.Array | int,
    index: jax.Array,
) -> dict[str, jax.Array]:
    clip = generate.clip(config.scene, atlas, seed, index, backward=config.backward)
    if config.degrades:
        key = jax.random.fold_in(jax.random.key(_word(seed)), index)
        clip["lq"] = _degrade(key, clip["hq"], config.degrade)
    clip["weight"] = jnp.float32(1)
    return {name: clip[name] for name in config.keys or clip}


def _word(seed: jax.Array | int) -> jax.Array:
    """Returns the seed modulo 2^32: a large Python int does not fit jax's default integer."""
    return jnp.asarray(np.uint32(seed % 2**32) if isinstance(seed, int) else seed, jnp.uint32)


def _degrade(key: jax.Array, hq: jax.Array, config: settings.DegradeConfig) -> jax.Array:
    choose, draw, jitter = jax.random.split(key, 3)
    if config.pipeline == "mixture":
        degraded = degrade.degrade(draw, hq, config.min_severity, config.max_severity, config.mode)
    else:
        degraded = device_published.degrade(draw, hq, published.get(config.pipeline))
    clean, uneven = jax.random.uniform(choose, (2,))
    lq = jnp.where(clean < config.clean_share, hq, degraded)
    return jnp.where(uneven < config.jitter_share, _jitter(jitter, lq, config.jitter), lq)


def _jitter(key: jax.Array, lq: jax.Array, bound: float) -> jax.Array:
    """Returns the frames with unequal gain, gamma and colour (as `transforms.Jitter`)."""
    change = jax.random.uniform(key, (len(lq), 1, 1, 4), minval=-bound, maxval=bound)
    gain = jnp.exp(change[..., :1] + 0.3 * change[..., 1:])
    gamma = jnp.exp(change[..., 1:2] - change[..., 2:3])
    return jnp.clip(lq**gamma * gain, 0, 1)
