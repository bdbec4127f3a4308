"""The model that ships, on held-out clips: it keeps a bound that a broken one would miss."""

import json

import numpy as np
import pytest

import daflow_jax
from daflow_jax import api, evaluate, pretrained
from daflow_jax.evaluate import generated
from daflow_jax.synthetic import host, scene

BOUND = {"clean": 1.0, "combined:3": 3.0}  # pixels
SHIPPED = daflow_jax.DEFAULT_MODEL
DENOISER, GAIN = "jffra-noise", {15: 4.0, 40: 7.0}  # dB, at grey levels of noise


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Returns a folder of two generated pairs."""
    return generated.write(tmp_path_factory.mktemp("pairs"), 2, (208, 256))


def test_shipped_model_keeps_its_bounds(pairs):
    results = evaluate.run(pairs, [SHIPPED, "dis"], BOUND)
    for degradation, bound in BOUND.items():
        assert results.epe(SHIPPED, degradation) < bound
    assert results.epe(SHIPPED, "combined:3") < results.epe("dis", "combined:3")


@pytest.mark.slow
def test_a_broken_model_misses_the_bounds(daflow, pairs, tmp_path):
    found = pretrained.load(pretrained.resolve(SHIPPED))
    flat = pretrained.flatten(found.variables)
    name = "params/flow/update/flow_head/conv2/kernel"
    flat[name] = np.asarray(flat[name])[..., ::-1]  # x and y exchanged
    layout = {key: (value.dtype, value.shape) for key, value in flat.items()}
    pretrained.write(tmp_path / "broken", found.config, layout, flat.items(), name="broken")
    words = ("--model", "broken", "--degrade", "combined:3", "--no-clean", "--worst", 0, "--json")
    code, out, _ = daflow("eval", pairs, *words, "--max-epe", BOUND["combined:3"])
    (entry,) = json.loads(out)["degradation"]
    assert code == 4 and entry["epe"]["per_image"] > 2 * BOUND["combined:3"]


def test_shipped_files_are_small_and_of_16_bits():
    folder = pretrained.resolve(SHIPPED)
    files = pretrained.weight_files(folder, pretrained.read_meta(folder))
    assert sum(file.stat().st_size for file in files) < 15e6
    assert all(file.stat().st_size < 5e6 for file in files)
    dtypes = {str(leaf.dtype) for leaf in pretrained.flatten(
        pretrained.load(folder).variables["params"]).values()}  # fmt: skip
    assert dtypes == {"float16"} and api.load(SHIPPED).num_parameters > 10**5


@pytest.mark.parametrize("sigma", [15, 40])
def test_the_denoiser_that_ships_removes_noise_and_flicker(sigma):
    clean = host.clip(scene.SceneConfig(frames=4, height=96, width=128, blur_share=0.0), 7, 0)["hq"]
    rng = np.random.default_rng(0)
    noisy = (clean + rng.standard_normal(clean.shape, np.float32) * sigma / 255).clip(0, 1)
    for options in ({"sigma": sigma}, {}):  # said, or measured in the frames
        restored = daflow_jax.restore(noisy, DENOISER, **options)
        assert _psnr(restored, clean) > _psnr(noisy, clean) + GAIN[sigma]
    still = np.repeat(clean[:1], 4, 0)
    noisy = (still + rng.standard_normal(still.shape, np.float32) * sigma / 255).clip(0, 1)
    restored = daflow_jax.restore(noisy, DENOISER)
    assert np.abs(np.diff(restored, axis=0)).mean() < 0.6 * np.abs(np.diff(noisy, axis=0)).mean()


def _psnr(frames, clean):
    return -10 * np.log10(np.mean((frames - clean) ** 2))
