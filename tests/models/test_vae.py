import jax
import jax.extend
import jax.numpy as jnp
import numpy as np

from daflow_jax.models.vae.config import VAEConfig
from daflow_jax.models.vae.model import VAE, Moments


def test_sample_has_the_moments():
    moments = Moments(jnp.full((1, 64, 64, 4), 2.0), jnp.full((1, 64, 64, 4), np.log(0.25)))
    draw = moments.sample(jax.random.key(0))
    assert abs(float(draw.mean()) - 2) < 0.02 and abs(float(draw.std()) - 0.5) < 0.02


def test_full_hd_never_holds_the_attention_matrix():
    """The map of a full-HD frame has 32,640 positions; no array of any pass holds their square."""
    module = VAE(VAEConfig())
    small = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), small)
    frame = jax.ShapeDtypeStruct((1, 1088, 1920, 3), jnp.float32)
    largest = max(_sizes(jax.make_jaxpr(module.apply)(variables, frame).jaxpr))
    assert largest < 32_640**2
    assert largest >= 1088 * 1920 * 128


def _sizes(jaxpr):
    """Yields the number of entries of every array, also inside loops and calls."""
    for equation in jaxpr.eqns:
        yield from (np.prod(x.aval.shape) for x in equation.outvars)
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from _sizes(inner)
