import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax.models.dit4sr.config import VARIANTS, RestorerConfig
from daflow_jax.models.dit4sr.model import DiTOutput
from daflow_jax.models.dit4sr.restorer import Embeddings, Guidance, Restorer
from daflow_jax.models.vae.config import VAEConfig
from daflow_jax.ops import diffusion
from tests.models import backbone_golden as golden

_NANO = VARIANTS["restorer-nano"]
PIXELS = dataclasses.replace(
    _NANO, dit=dataclasses.replace(_NANO.dit, depth=2, heads=2, head_dim=16, taps=(0, 1))
)
LATENTS = RestorerConfig(
    dit=golden.dit_config(1, depth=2, taps=(0, 1), init="scratch"),
    vae=VAEConfig(widths=(4, 4, 8, 8), blocks=1, channels=4, groups=2),
    prompt_tokens=3,
)


@functools.cache
def _setup(config):
    module = Restorer(config)
    frames = jax.random.uniform(jax.random.key(1), (1, 3, 32, 48, 3))
    variables = golden.filled(module, frames, jax.random.key(2), method="features")
    return module, variables, frames


def _apply(module, method, **static):
    return golden.jit(functools.partial(module.apply, method=method, **static))


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(PIXELS, id="pixels", marks=pytest.mark.slow),
        pytest.param(LATENTS, id="vae", marks=pytest.mark.slow),
    ],
)
def test_every_method_finds_its_parameters(config):
    module, variables, frames = _setup(config)
    assert config.multiple == 16
    tokens = (32 // 16) * (48 // 16)

    def both(variables, rng):
        taps = module.apply(variables, frames, rng, method="features")
        return taps, module.apply(variables, frames, rng, steps=2, method="restore")

    taps, restored = golden.jit(both)(variables, jax.random.key(3))
    assert len(taps) == 2
    assert taps[0].query.shape == taps[0].key.shape == (1, 3, tokens, config.dit.width)
    assert restored.shape == frames.shape
    assert restored.min() >= 0 and restored.max() <= 1 and restored.std() > 0


def test_pixel_codec_is_undone():
    module, variables, frames = _setup(PIXELS)
    latents = module.apply(variables, frames, method="encode")
    assert latents.min() >= -1 and latents.max() <= 1
    np.testing.assert_allclose(module.apply(variables, latents, method="decode"), frames, atol=1e-6)


@pytest.mark.slow
def test_taps_of_a_later_step_come_from_the_denoised_clip():
    module, variables, frames = _setup(PIXELS)
    rng = jax.random.key(3)
    first, later = (
        _apply(module, "features", steps=4, tap_step=k)(variables, frames, rng) for k in (0, 2)
    )
    lq = module.apply(variables, frames, method="encode")
    noisy = jax.random.normal(jax.random.split(rng)[0], lq.shape)
    sigmas, network = diffusion.inference_sigmas(4), _apply(module, "__call__")
    for k in range(2):  # Euler by hand, from the network's clean prediction
        clean = network(variables, noisy, lq, jnp.full(1, sigmas[k])).prediction
        noisy = noisy + (sigmas[k + 1] - sigmas[k]) * (noisy - clean) / sigmas[k]
    by_hand = network(variables, noisy, lq, jnp.full(1, sigmas[2])).taps
    for a, b in zip(jax.tree.leaves(later), jax.tree.leaves(by_hand), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())
    assert np.abs(later[1].query - first[1].query).max() > 1e-3


def test_one_step_restoration_of_an_x0_network_is_its_prediction():
    module, variables, frames = _setup(PIXELS)
    rng = jax.random.key(3)
    lq = module.apply(variables, frames, method="encode")
    noise = jax.random.normal(jax.random.split(rng)[0], lq.shape)
    clean = _apply(module, "__call__")(variables, noise, lq, jnp.ones(1)).prediction
    restored = _apply(module, "restore")(variables, frames, rng)
    np.testing.assert_allclose(restored, jnp.clip((clean + 1) / 2, 0, 1), atol=1e-5)


def test_noise_differs_between_frames():
    module, variables, frames = _setup(PIXELS)
    still = jnp.repeat(frames[:, :1], 3, 1)
    (tap, _) = _apply(module, "features")(variables, still, jax.random.key(3))
    assert np.abs(tap.query[:, 0] - tap.query[:, 1]).max() > 1e-3


def _prompt(config, seed):
    keys = jax.random.split(jax.random.key(seed))
    return Embeddings(
        jax.random.normal(keys[0], (3 + seed, config.dit.text_width)),
        jax.random.normal(keys[1], (config.dit.pooled_width,)),
    )


@pytest.mark.slow
def test_guidance_leads_from_the_negative_to_the_positive_prompt():
    module, variables, frames = _setup(LATENTS)
    good, bad = _prompt(LATENTS, 1), _prompt(LATENTS, 2)
    noisy, lq = (
        jax.random.normal(jax.random.key(i), (1, 3, 8, 12, LATENTS.dit.channels)) for i in (4, 5)
    )
    sigma = jnp.full(1, 0.7)

    def run(variables):
        def velocity(*guidance):
            return module.apply(variables, noisy, lq, sigma, Guidance(*guidance), method="velocity")

        guided = velocity(good, bad, 3.0), velocity(good, None, 3.0), velocity(good, good, 3.0)
        return guided, (velocity(good), velocity(bad), velocity())

    guided, (positive, negative, empty) = golden.jit(run)(variables)
    for ours, start in zip(guided, (negative, empty, positive), strict=True):
        np.testing.assert_allclose(ours, start + 3 * (positive - start), atol=1e-4)
    assert np.abs(positive - negative).max() > 0.01 and np.abs(positive - empty).max() > 0.01


@pytest.mark.parametrize("scale, evaluations", [(1.0, 1), (4.0, 2)])
def test_evaluations_per_step(scale, evaluations, monkeypatch):
    module, variables, frames = _setup(PIXELS)
    calls = []

    def count(self, noisy, *args, **kwargs):
        calls.append(kwargs["prompt"])
        return DiTOutput(noisy, ())

    monkeypatch.setattr(Restorer, "__call__", count)
    guidance = Guidance(_prompt(PIXELS, 1), scale=scale)
    module.apply(variables, frames, frames, jnp.ones(1), guidance, method="velocity")
    assert len(calls) == evaluations


@pytest.mark.parametrize("prediction", ["x0", "velocity"])
@pytest.mark.parametrize("steps", [1, 4, 9])
def test_a_network_that_knows_the_clean_clip_restores_it(prediction, steps, monkeypatch):
    dit = dataclasses.replace(PIXELS.dit, prediction=prediction)
    module = Restorer(dataclasses.replace(PIXELS, dit=dit))
    lq, clean = (jax.random.uniform(jax.random.key(i), (1, 3, 16, 16, 3)) for i in (1, 2))

    def knowing(self, noisy, lq, sigma, **_):
        x0 = 2 * clean - 1
        return DiTOutput(x0 if prediction == "x0" else (noisy - x0) / sigma[0], ())

    monkeypatch.setattr(Restorer, "__call__", knowing)
    restored = module.apply({"params": {}}, lq, jax.random.key(3), steps, method="restore")
    np.testing.assert_allclose(restored, clean, atol=1e-5)


def test_guidance_that_nothing_could_act_on_is_refused():
    with pytest.raises(ValueError, match="guidance is 4 without a prompt; .* set guidance to 1"):
        Guidance(scale=4.0).check()
    with pytest.raises(ValueError, match="a negative prompt is given and guidance is 1"):
        Guidance(negative=_prompt(PIXELS, 1)).check()


def test_wrong_frames_and_steps_are_refused():
    module, variables, frames = _setup(PIXELS)
    with pytest.raises(ValueError, match="frames are 31x48; height and width must be multiples"):
        module.apply(variables, frames[:, :, 1:], method="encode")
    with pytest.raises(ValueError, match="tap_step is 2 of 2 steps; choose one from 0 to 1"):
        module.apply(variables, frames, jax.random.key(0), steps=2, tap_step=2, method="features")
