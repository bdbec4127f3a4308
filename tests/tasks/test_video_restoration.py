"""The task of video restoration: losses, crops, degradations, what it refuses."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, models
from daflow_jax.degrade import raw_noise, video
from daflow_jax.tasks import video_windows as windows
from daflow_jax.tasks.video_crops import Crop
from daflow_jax.tasks.video_restoration import VideoRestoration
from tests.models.test_jffra import TINY

KEY = jax.random.key(0)


def batch(frames=4, height=16, width=24, seed=0):
    """Returns clips of a texture that moves by (1, 0) px a frame, with true flow."""
    rng = np.random.default_rng(seed)
    wide = rng.random((1, height, width + frames, 3), np.float32)
    clip = np.stack([wide[:, :, frames - k : frames - k + width] for k in range(frames)], 1)
    flow = np.zeros((1, frames - 1, height, width, 2), np.float32)
    flow[..., 0] = 1
    known = np.ones(flow.shape[:-1], bool)
    arrays = {"hq": clip, "flow": flow, "valid": known, "flow_back": -flow, "valid_back": known}
    return jax.tree.map(jnp.asarray, arrays)


def task(config=TINY, **settings):
    return VideoRestoration(models.build(config), **settings)


@pytest.fixture(scope="module")
def params():
    return jax.jit(task().init)(KEY, batch())["params"]


def test_loss_and_scores(params):
    own = task(degradation="blind_noise", noise=(20, 20), crop=8, temporal=0.2, flow=0.05)
    out = jax.jit(own.loss)(params, {}, batch(), KEY)
    parts = out.metrics
    total = parts["l1"] + 0.2 * parts["temporal"] + 0.05 * parts["flow"]
    np.testing.assert_allclose(out.loss, total, rtol=1e-6)
    np.testing.assert_allclose(parts["flow"], 1.0, atol=1e-5)  # zero flow, true flow of one pixel
    expected = 20 / 255 * np.sqrt(2 / np.pi)  # a new network returns its input
    assert abs(float(parts["l1"]) - expected) < 0.1 * expected
    found = {
        k: float(v.compute()) for k, v in jax.jit(own.evaluate)(params, {}, batch(), KEY).items()
    }
    assert found["psnr"] == pytest.approx(found["psnr_lq"], abs=1e-3)
    assert abs(found["psnr"] - 20 * np.log10(255 / 20)) < 0.5 and found["opw"] > 1
    assert {f"epe_{name}" for name in ("start", "2", "1")} <= set(found)
    assert found["epe_start"] == pytest.approx(1.0)


def test_the_true_start_has_no_error(params):
    own = task(start="true", degradation="blind_noise")
    found = jax.jit(own.evaluate)(params, {}, batch(3), KEY)
    assert float(found["epe_start"].compute()) == 0 and "opw" not in found


def test_rows_that_only_pad_do_not_count(params):
    own, one = task(degradation="blind_noise", noise=(20, 20)), batch()
    both = {key: jnp.concatenate([x, x]) for key, x in one.items()}
    both["hq"] = both["hq"].at[1].set(0.0)
    loss = jax.jit(own.loss)
    whole = loss(params, {}, {**both, "weight": jnp.ones(2)}, KEY).loss
    first = loss(params, {}, {**both, "weight": jnp.array([1.0, 0.0])}, KEY)
    assert first.weight == 1 and float(first.loss) != float(whole)


def test_crops_turn_flow_with_the_frames():
    data = batch(3, 16, 16, seed=1)
    arrays = {"hq": (data["hq"], 1), "flow": (data["flow"], 1)}
    crop, seen = jax.jit(lambda key: Crop(8, True)(key, arrays, frozenset({"flow"}))), set()
    for seed in range(8):
        out = crop(jax.random.key(seed))
        frames, (u, v) = np.asarray(out["hq"][0]), np.asarray(out["flow"][0, 0, 0, 0])
        seen.add((float(u), float(v)))
        moved = np.roll(frames[0], (int(v), int(u)), (0, 1))
        np.testing.assert_array_equal(moved[1:-1, 1:-1], frames[1, 1:-1, 1:-1])
    assert len(seen) >= 3


def test_degradations_are_those_of_the_protocols():
    clips = batch(3, 32, 32)["hq"]
    noisy, level = video.white_noise(KEY, clips, 30, 30)
    assert float(level[0]) == pytest.approx(30 / 255)
    assert float((noisy - clips).std()) == pytest.approx(30 / 255, rel=0.05)
    for small in (video.bi(clips), video.bd(clips)):
        assert small.shape == (1, 3, 8, 8, 3)
        np.testing.assert_allclose(255 * small, np.round(255 * small), atol=1e-4)


def test_sensor_noise_has_the_published_variance():
    grey = jnp.full((1, 3, 64, 64, 3), 0.5)
    sensor, rng = raw_noise.CRVD[6400], np.random.default_rng(0)
    raw = raw_noise.mosaic(np.asarray(grey))
    np.testing.assert_allclose(raw_noise.develop(raw), grey, atol=1e-5)
    counts = rng.poisson((raw - raw_noise.BLACK) / sensor.gain)
    noisy = counts * sensor.gain + rng.normal(0, sensor.variance**0.5, raw.shape)
    signal = raw[0, 0, 0, 0] - raw_noise.BLACK
    wanted = sensor.gain * signal + sensor.variance
    assert noisy[..., ::2, ::2].var() == pytest.approx(wanted, rel=0.1)
    darker, brighter = (
        jax.jit(video.sensor_noise, static_argnums=2)(KEY, grey, (iso,)).std()
        for iso in (1600, 25600)
    )
    assert brighter > 2 * darker


def test_x4_is_trained_on_crops_of_both_sizes():
    own = task(dataclasses.replace(TINY, scale=4), degradation="bi", crop=8)
    data = batch(3, 48, 64)
    params = jax.eval_shape(lambda: own.init(KEY, data))["params"]
    out = jax.eval_shape(own.loss, params, {}, data, KEY)
    assert out.loss.shape == ()
    clips = jax.eval_shape(lambda p: own._clips({"params": p}, data, KEY), params)
    assert clips.lq.shape == (1, 3, 12, 16, 3) and clips.hq.shape == (1, 48, 64, 3)


def test_the_temporal_loss_is_zero_where_frames_follow_the_flow():
    data = batch(4)
    frames = data["hq"][:, 1:3].reshape(-1, *data["hq"].shape[2:])
    between = data["flow_back"][:, 1:2]
    loss = jax.jit(windows.flicker_loss)(frames, frames, between, jnp.ones(1))
    assert float(loss) < 1e-3  # a column enters the picture


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(degradation="bi"), "a scale of 4"),
        (dict(iso=(100,)), "iso is"),
        (dict(noise=(30, 10)), "write \\(least, most\\)"),
        (dict(crop=9), "use a multiple of 8"),
        (dict(degradation="fog"), "fog"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        task(**settings)


def test_clips_that_are_too_short_are_refused(params):
    cases = {
        "2 frames; this model's window is 3": (task(), 2),
        "compares two windows of 3.*Use 4": (task(temporal=0.2), 3),
        "config.task.crop: 32 px": (task(crop=32), 3),
    }
    for message, (own, frames) in cases.items():
        with pytest.raises(errors.UserError, match=message):
            jax.eval_shape(own.loss, params, {}, batch(frames), KEY)
