"""Restoring clips of any size and length, and the interface to it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import daflow_jax
from daflow_jax import errors, predict
from daflow_jax.ops import color
from tests import tiny
from tests.models import test_restorer

FRAMES = tiny.frames(5, 30, 41)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Returns the folder of a restorer of pixels whose clips have three frames."""
    return tiny.save_restorer(tmp_path_factory.mktemp("models") / "restorer")


@pytest.fixture(scope="module")
def restorer(folder):
    """Returns one restorer for all tests, so that its programs are compiled once."""
    return daflow_jax.load(folder)


@pytest.fixture
def single(restorer):
    """Returns the same restorer, which sees one frame at a time."""
    return functools.partial(restorer, window=1)


def test_odd_sizes_are_padded_and_cut(restorer):
    padded = np.pad(FRAMES[:3], ((0, 0), (1, 1), (3, 4), (0, 0)), "edge")
    out = restorer(FRAMES[:3])
    assert out.shape == (3, 30, 41, 3) and out.dtype == np.float32
    assert 0 <= out.min() and out.max() <= 1 and out.std() > 0.01
    np.testing.assert_allclose(out, restorer(padded)[:, 1:-1, 3:-4], atol=1e-5)


def test_windows_of_one_frame_equal_restoring_each_image(single):
    whole = single(FRAMES)
    alone = np.concatenate([single(FRAMES[i : i + 1]) for i in range(len(FRAMES))])
    np.testing.assert_array_equal(whole, alone)


def test_the_last_window_reaches_back(restorer):
    whole = restorer(FRAMES)
    np.testing.assert_array_equal(whole[:3], restorer(FRAMES[:3]))
    np.testing.assert_array_equal(whole[3:], restorer(FRAMES[2:])[1:])


def test_frames_of_a_window_see_each_other(restorer, single):
    assert np.abs(restorer(FRAMES[:3]) - single(FRAMES[:3])).max() > 1e-3


def test_a_run_is_a_function_of_the_seed(restorer, folder):
    np.testing.assert_array_equal(restorer(FRAMES[:3]), restorer(FRAMES[:3]))
    other = daflow_jax.restore(FRAMES[:3], folder, seed=1)
    assert np.abs(restorer(FRAMES[:3]) - other).max() > 1e-3


def test_color_fix_sees_the_frames_without_their_padding(restorer, folder):
    fixed = daflow_jax.restore(FRAMES[:3], folder, color_fix="adain")
    lq = jnp.asarray(FRAMES[:3], jnp.float32) / 255
    by_hand = np.clip(color.adain(jnp.asarray(restorer(FRAMES[:3])), lq), 0, 1)
    np.testing.assert_allclose(fixed, by_hand, atol=1e-5)


@pytest.mark.slow
def test_a_restorer_of_latents_works_through_the_autoencoder(tmp_path):
    folder = tiny.save_restorer(tmp_path / "latents", test_restorer.LATENTS)
    frames = FRAMES[:1] / 255
    out = daflow_jax.restore(frames, folder, window=1, steps=2)
    assert out.shape == frames.shape and out.std() > 0
    config, rng = test_restorer.LATENTS, np.random.default_rng(0)
    prompt = (
        rng.normal(size=(5, config.dit.text_width)),
        rng.normal(size=(config.dit.pooled_width,)),
    )
    guided = daflow_jax.restore(frames, folder, window=1, steps=2, guidance=5.0, prompt=prompt)
    assert np.abs(guided - out).max() > 1e-4
    with pytest.raises(
        errors.UserError, match=r"prompt: has shapes \(5, 2\) and .*; the model reads"
    ):
        daflow_jax.restore(frames, folder, prompt=(prompt[0][:, :2], prompt[1]))


@pytest.mark.slow
def test_the_backbone_of_a_flow_model_restores(tmp_path):
    folder = tiny.save_daflow(tmp_path / "flow")
    out = daflow_jax.restore(FRAMES[:2], folder)
    assert out.shape == FRAMES[:2].shape


def test_what_cannot_be_done_is_refused(folder, tmp_path, restorer):
    refusals = [
        (dict(guidance=3.0), "guidance 3: leads towards a positive prompt, and none is given"),
        (dict(color_fix="adam"), "color fix adam: is unknown. Did you mean adain"),
        (dict(step=2), "step: is not an option of tiny-restorer. Did you mean steps?"),
        (dict(steps=0), "steps 0: must be 1 or more"),
        (dict(window=0), "window 0: must be 1 or more"),
        (dict(guidance=0.5), "guidance 0.5: must be 1 or more"),
        (dict(precision="fp8"), "precision 'fp8': is unknown"),
    ]
    for options, text in refusals:
        with pytest.raises(errors.UserError) as refusal:
            daflow_jax.restore(FRAMES, folder, **options)
        assert text in str(refusal.value)
    with pytest.raises(
        errors.UserError,
        match=r"is a flow model \(raft\) and has no restoration model",
    ):
        daflow_jax.restore(FRAMES, tiny.save(tmp_path / "raft"))
    with pytest.raises(errors.UserError, match="20x20 after 30x30; frames of one sequence"):
        list(restorer.stream([np.zeros((30, 30, 3)), np.zeros((20, 20, 3))]))


def test_a_loaded_restorer_takes_the_options_of_every_call(restorer, folder):
    two = daflow_jax.restore(FRAMES[:3], restorer, steps=2)
    np.testing.assert_allclose(two, daflow_jax.restore(FRAMES[:3], folder, steps=2), atol=1e-6)
    assert np.abs(two - restorer(FRAMES[:3])).max() > 1e-3
    with pytest.raises(errors.UserError, match="seed: is decided when a model is loaded"):
        daflow_jax.restore(FRAMES[:3], restorer, seed=1)


def test_it_runs_on_the_device_that_was_asked_for(folder, monkeypatch):
    call, used = predict.Programs.__call__, set()

    def watched(self, *given):
        out = call(self, *given)
        used.update(out.devices())
        return out

    monkeypatch.setattr(predict.Programs, "__call__", watched)
    daflow_jax.restore(FRAMES[:1], folder, color_fix="adain", device="cpu:3")
    assert used == {jax.devices("cpu")[3]}
