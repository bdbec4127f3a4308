import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.convert import engine
from daflow_jax.models.vae import convert
from daflow_jax.models.vae.config import VAEConfig
from daflow_jax.models.vae.model import VAE, Moments
from tests.golden import weights
from tests.models import backbone_golden as golden

BOUND = 3e-5


def _vae(name, seed, images):
    file = golden.names(name)
    sizes = file["config"]
    config = VAEConfig(
        widths=tuple(sizes["block_out_channels"]),
        blocks=sizes["layers_per_block"],
        groups=sizes["norm_num_groups"],
        channels=sizes["latent_channels"],
    )
    module = VAE(config)
    state = weights.state_dict(dict(file["params"]), seed)
    flat = engine.convert(state, convert.RULES, golden.shapes(module, images)).parameters
    return module, engine.unflatten(flat)


@pytest.mark.parametrize("seed", [0, 1])
def test_tiny_autoencoder_equals_published(seed):
    arrays = golden.arrays(f"vae_tiny_s{seed}")
    images = jnp.asarray(golden.nhwc(arrays["img"]))
    module, variables = _vae(f"vae_tiny_{golden.SETS[seed]}", seed, images)
    latents = jnp.asarray(golden.nhwc(arrays["rec.latent"]))

    def run(variables):
        moments = module.apply(variables, images, method="moments")
        encoded = module.apply(variables, images, method="encode")
        return moments, encoded, module.apply(variables, latents, method="decode")

    moments, encoded, decoded = golden.jit(run)(variables)
    golden.close(moments.mean, golden.nhwc(arrays["rec.mean"]), BOUND)
    golden.close(moments.logvar, golden.nhwc(arrays["rec.logvar"]), BOUND)
    golden.close(encoded, (golden.nhwc(arrays["rec.mean"]) - 0.0609) * 1.5305, BOUND)
    golden.close(decoded, golden.nhwc(arrays["rec.decoded"]), BOUND)


def test_full_size_autoencoder_equals_published():
    arrays = golden.arrays("vae_full_s0")
    images = np.tanh(weights.normal("input.vaefull.img", (1, 3, 48, 64), 0))
    images = jnp.asarray(golden.nhwc(images))
    module, variables = _vae("sd3_vae_full", 0, images)
    assert sum(np.size(x) for x in jax.tree.leaves(variables)) == 83_819_683

    def both(variables, images):
        moments = module.apply(variables, images, method="moments")
        scaled = (moments.mean - module.config.shift) * module.config.scale
        return moments, module.apply(variables, scaled, method="decode")

    moments, decoded = golden.jit(both)(variables, images)
    golden.close(moments.mean, golden.nhwc(arrays["mean"]), BOUND)
    golden.close(moments.logvar, golden.nhwc(arrays["logvar"]), BOUND)
    golden.close(decoded, golden.nhwc(arrays["decoded_mean"]), BOUND)


def test_sample_has_the_moments():
    moments = Moments(jnp.full((1, 64, 64, 4), 2.0), jnp.full((1, 64, 64, 4), np.log(0.25)))
    draw = moments.sample(jax.random.key(0))
    assert abs(float(draw.mean()) - 2) < 0.02 and abs(float(draw.std()) - 0.5) < 0.02
