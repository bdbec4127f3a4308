"""Interpolators without weights worth the name: a fade, at any time or in the middle alone."""

import contextlib
import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from daflow_jax import models, predict
from daflow_jax.models import calls


@dataclasses.dataclass(frozen=True)
class FadeConfig:
    """any_time: whether the network looks at the time, or finds the middle alone."""

    any_time: bool = True
    frames: int = 2
    multiple: int = 16
    minimum: int = 16


class Fade(nn.Module):
    """Fades from one frame to the next; 3 % brighter where it stands still, to be seen."""

    config: FadeConfig
    dtype: object = None
    param_dtype: object = jnp.float32

    @nn.compact
    def __call__(self, pairs, times, *, scale: float = 1.0):
        assert pairs.shape[0] == times.shape[0] == 1
        assert pairs.shape[2] % (16 / scale) == pairs.shape[3] % (16 / scale) == 0
        gain = self.param("gain", nn.initializers.constant(1.03), ())
        if not self.config.any_time:
            times = 0 * times + 0.5
        at = times[:, None, None, None]
        out = (1 - at) * pairs[:, 0] + at * pairs[:, 1]
        still = jnp.all(pairs[:, 0] == pairs[:, 1])
        return jnp.where(still, gain, 1) * out


def _example(config):
    clip = jax.ShapeDtypeStruct((1, 2, 16, 16, 3), "float32")
    return models.Example((clip, jax.ShapeDtypeStruct((1,), "float32")))


FADE = models.Entry(
    "test_fade",
    "interpolation",
    FadeConfig,
    Fade,
    {},
    _example,
    call_options=(models.CallOption("scale", "flow at this share of the size", 0.125, float),),
)


@contextlib.contextmanager
def registered():
    """Registers the family until the block ends."""
    models.register(FADE)
    yield
    del models.ENTRIES[FADE.family]


def variables(config):
    """Returns the variables of a configuration."""
    return calls.init(models.build(config), jax.random.key(0))


def model(any_time: bool = True) -> predict.InterpolationModel:
    """Returns a fade with its variables."""
    config = FadeConfig(any_time)
    return predict.InterpolationModel(config, variables(config), meta={"name": "fade"})
