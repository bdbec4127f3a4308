"""Padding, windows, batches, tiles, streams: on a stand-in network, and on a real tiny one."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import api, errors, predict
from daflow_jax.predict import memory, tiles
from daflow_jax.predict.flow import consistency
from tests import tiny


class Recorder(predict.Runner):
    """Stands in for a Runner: flow x is the change of the mean brightness, y the row number."""

    def __init__(self, frames: int = 2, most: int = 99, pixels: int = 10**9):
        self.config = types.SimpleNamespace(frames=frames, multiple=8, family="raft")
        self.place = predict.Placement(jax.devices("cpu")[0])
        self.calls, self.starts, self.told = [], [], []
        self.most, self.pixels = most, pixels
        self.tell = lambda line, end="\n": self.told.append(line)

    def __call__(self, clips, options, init_flow=None):
        b, f, h, w, _ = clips.shape
        if b * (f - 1) > self.most or h * w > self.pixels:
            raise memory.OutOfMemory(f"{h}x{w}, batch {b * (f - 1)} needs 9.0 GB, 1.0 GB is free")
        self.calls.append(clips)
        self.starts.append(init_flow)
        means = clips.mean(axis=(2, 3, 4))
        flows = np.zeros((1, b, f - 1, h, w, 2), np.float32)
        flows[..., 0] = np.diff(means, axis=1)[None, :, :, None, None]
        flows[..., 1] = np.arange(h)[:, None]
        return flows, flows[0, :, :, ::8, ::8] / 8


def estimator(runner, **layout):
    return predict.Estimator(runner, predict.Options(), predict.Layout(**layout))


def ramp(count, size=(128, 128)):
    """Returns frames whose brightness is 0, 0.01, 0.04, 0.09, ..."""
    values = 0.01 * np.arange(count, dtype=np.float32) ** 2
    return np.ones((count, *size, 3), np.float32) * values[:, None, None, None]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((436, 1024), (2, 2, 0, 0)),  # RAFT's own numbers for Sintel
        ((375, 1242), (0, 1, 3, 3)),
        ((128, 128), (0, 0, 0, 0)),
        ((16, 127), (56, 56, 0, 1)),
    ],
)
def test_fit_pads_evenly_to_multiple_and_minimum(size, expected):
    assert predict.fit(size, 8) == expected


def test_pad_repeats_the_border_and_crop_undoes_it():
    frames = np.arange(2 * 3 * 5 * 1.0).reshape(2, 3, 5, 1)
    around = predict.Padding(1, 2, 3, 0)
    padded = predict.pad(frames, around)
    assert padded.shape == (2, 6, 8, 1)
    np.testing.assert_array_equal(padded[:, 0, :3], np.repeat(frames[:, :1, 0], 3, axis=1))
    np.testing.assert_array_equal(predict.crop(padded, around), frames)


def test_as_frames_reads_every_kind_alike():
    byte = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    expected = byte / np.float32(255)
    np.testing.assert_array_equal(predict.as_frames(byte), expected)
    np.testing.assert_allclose(predict.as_frames(byte.astype(np.uint16) * 257), expected, atol=1e-7)
    np.testing.assert_array_equal(predict.as_frames(expected), expected)
    alpha = np.concatenate([byte, byte[..., :1]], axis=-1)
    np.testing.assert_array_equal(predict.as_frames(alpha), expected)
    grey = predict.as_frames(byte[..., :1])
    np.testing.assert_array_equal(grey, np.repeat(expected[..., :1], 3, axis=-1))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.full((4, 4, 3), 255.0), "from 255 to 255 are outside 0..1. Divide by 255"),
        (np.full((4, 4, 3), np.nan), "NaN or infinity in the pixels"),
        (np.zeros((4, 4, 3), np.int32), "dtype int32 is not uint8"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\) is not"),
        (np.zeros((1, 4, 3), np.uint8), "1x4 is under 2x2 pixels"),
    ],
)
def test_as_frames_refuses_what_it_would_have_to_guess(frames, message):
    with pytest.raises(errors.UserError, match=message):
        predict.as_frames(frames)


def test_three_frame_models_see_windows_that_share_their_border_frame():
    runner = Recorder(frames=3)
    result = predict.run_clip(estimator(runner, batch=4), ramp(5))
    (clips,) = runner.calls
    np.testing.assert_allclose(clips[:, :, 0, 0, 0], [[0, 0.01, 0.04], [0.04, 0.09, 0.16]])
    np.testing.assert_allclose(result.flow[:, 0, 0, 0], [0.01, 0.03, 0.05, 0.07], atol=1e-6)


def test_a_lone_pair_repeats_its_last_frame_for_three_frame_models():
    runner = Recorder(frames=3)
    result = predict.run_clip(estimator(runner), ramp(2))
    np.testing.assert_allclose(runner.calls[0][:, :, 0, 0, 0], [[0, 0.01, 0.01]])
    assert result.flow.shape == (1, 128, 128, 2)


def test_the_backward_flow_lies_on_the_second_frame_of_its_pair():
    result = predict.run_clip(estimator(Recorder(), batch=2), ramp(4), bidirectional=True)
    np.testing.assert_allclose(result.backward[..., 0], -result.flow[..., 0], atol=1e-6)


def test_stream_reads_no_further_ahead_than_its_batch():
    runner, taken = Recorder(), []

    def frames():
        for index, frame in enumerate(ramp(40)):
            taken.append(index)
            yield frame / 16

    for index, _ in enumerate(predict.Stream(estimator(runner, batch=3), frames())):
        assert len(taken) <= index + 1 + 3
    assert index == 38
    assert {clips.shape[1] for clips in runner.calls} == {4}, "the last batch reuses the program"


def test_warm_start_carries_the_last_flow_to_the_next_pair_until_reset():
    runner = Recorder()
    stream = predict.Stream(estimator(runner), ramp(5), warm_start=True)
    next(stream), next(stream)
    assert runner.starts[0] is None
    low = np.zeros((1, 16, 16, 2), np.float32)
    low[..., 0], low[..., 1] = 0.01 / 8, np.arange(0, 128, 8)[:, None] / 8
    np.testing.assert_allclose(runner.starts[1][0], consistency.carry(low, 1))
    stream.reset()
    next(stream)
    assert runner.starts[2] is None


def test_init_flow_reaches_the_network_on_its_grid():
    runner = Recorder()
    init = np.full((3, 100, 120, 2), 8.0, np.float32)
    predict.run_clip(estimator(runner, batch=2), ramp(4, (100, 120)), init_flow=init)
    assert [start.shape for start in runner.starts] == [(1, 2, 16, 16, 2)] * 2
    np.testing.assert_allclose(runner.starts[0], 1.0)


def test_a_stream_wants_frames_and_forgets_init_flow_at_a_reset():
    with pytest.raises(errors.UserError, match=r"frames: the stream has none yet. Call reset"):
        next(predict.Stream(estimator(Recorder())))
    runner = Recorder()
    init = np.full((3, 128, 128, 2), 8.0, np.float32)
    stream = predict.Stream(estimator(runner, batch=1), ramp(4), init_flow=init)
    next(stream)
    stream.reset(ramp(3))
    assert len(list(stream)) == 2
    assert [start is None for start in runner.starts] == [False, True, True]


class Patient(Recorder):
    """Stands in for a network that stays where it starts, and starts at a sixteenth of the width
    to the right and at no height."""

    def __call__(self, clips, options, init_flow=None):
        b, f, h, w, _ = clips.shape
        if init_flow is None:
            init_flow = np.zeros((b, f - 1, h // 8, w // 8, 2), np.float32)
            init_flow[..., 0] = w / 128
        self.calls.append(clips)
        self.starts.append(init_flow)
        return 8 * init_flow.repeat(8, 2).repeat(8, 3)[None], init_flow


def coarse(runner, *scales, **layout):
    return predict.CoarseToFine(runner, predict.Options(), predict.Layout(**layout), scales)


def test_each_size_starts_from_the_flow_of_the_smaller_one_in_its_own_pixels():
    runner = Patient()
    flow = predict.run_clip(coarse(runner, 0.25, 0.5, bucket=8), ramp(3, (512, 1024))).flow
    assert [call.shape[2:4] for call in runner.calls] == [(128, 256), (256, 512), (512, 1024)]
    assert [round(float(start[..., 0].max() * 8), 3) for start in runner.starts] == [16, 32, 64]
    np.testing.assert_allclose(flow, np.broadcast_to(np.float32([64, 0]), flow.shape), atol=1e-4)


def test_sizes_too_small_to_tell_anything_are_left_out_and_max_size_holds_for_all():
    runner = Patient()
    predict.run_clip(coarse(runner, 0.25, 0.5, bucket=8), ramp(2, (200, 400)))
    assert [call.shape[2:4] for call in runner.calls] == [(128, 200), (200, 400)]
    runner = Patient()
    flow = predict.run_clip(coarse(runner, 0.5, bucket=8, max_size=512), ramp(2, (512, 1024))).flow
    assert [call.shape[2:4] for call in runner.calls] == [(128, 256), (256, 512)]
    np.testing.assert_allclose(flow[..., 0], 64, atol=1e-4)


@pytest.mark.parametrize("size", [(512, 1024), (371, 613)])
def test_a_given_start_goes_through_every_size(size):
    init = np.full((1, *size, 2), [24.0, -8.0], np.float32)
    flow = predict.run_clip(coarse(Patient(), 0.25, 0.5), ramp(2, size), init_flow=init).flow
    np.testing.assert_allclose(flow, init, atol=1e-3)


def test_max_size_returns_pixels_of_the_given_frames():
    runner = Recorder()
    result = predict.run_clip(estimator(runner, max_size=128, bucket=8), ramp(2, (256, 256)))
    assert runner.calls[0].shape[2:4] == (128, 128)
    np.testing.assert_allclose(result.flow[0, :, 0, 0], 0.02, atol=1e-6)
    assert result.flow[0, -1, 0, 1] == 2 * 127


def test_short_memory_halves_the_batch_and_says_so():
    runner = Recorder(most=1)
    result = predict.run_clip(estimator(runner, batch=4), ramp(5))
    np.testing.assert_allclose(result.flow[:, 0, 0, 0], [0.01, 0.03, 0.05, 0.07], atol=1e-6)
    assert "out of memory" in runner.told[0] and "retrying with batch 2" in runner.told[0]
    assert "retrying with batch 1" in runner.told[1]


def test_short_memory_ends_in_tiles_or_in_a_refusal():
    runner = Recorder(pixels=512 * 768)
    result = predict.run_clip(estimator(runner), ramp(2, (640, 832)))
    assert result.flow.shape == (1, 640, 832, 2)
    assert "retrying with tiles of 512x768" in runner.told[-1]
    with pytest.raises(errors.UserError, match="memory: .* needs 9.0 GB.*--max-size") as refusal:
        predict.run_clip(estimator(Recorder(pixels=1), tile="off"), ramp(2))
    assert refusal.value.code == 3


def test_memory_errors_without_words_are_told_as_well():
    class Bare(Recorder):
        def __call__(self, clips, options, init_flow=None):
            raise MemoryError

    with pytest.raises(errors.UserError, match="memory: the host has no more. Use --max-size"):
        predict.run_clip(estimator(Bare(), tile="off"), ramp(2))


@pytest.mark.parametrize("size", [(128, 128), (300, 520), (257, 400)])
def test_tiles_blend_to_what_each_of_them_saw(size):
    frames = np.random.default_rng(0).random((3, *size, 3), np.float32)
    blended = tiles.blended(frames, None, (256, 256), lambda part, _: part[None, :-1, ..., :2])
    np.testing.assert_allclose(blended, frames[None, :-1, ..., :2], atol=1e-6)


def test_tiles_start_from_their_part_of_the_flow():
    start = np.random.default_rng(0).random((2, 40, 72, 2), np.float32)
    frames = np.zeros((3, 320, 576, 3), np.float32)
    run = lambda part, low: np.repeat(np.repeat(low, 8, 1), 8, 2)[None]  # noqa: E731
    blended = tiles.blended(frames, start, (256, 256), run)
    np.testing.assert_allclose(blended[0, :, ::8, ::8], start, atol=1e-6)


def test_consistency_trusts_flow_that_leads_back_inside_the_frame():
    flow = np.zeros((20, 30, 2), np.float32)
    flow[..., 0] = 4.0
    result = consistency.compare(flow, -flow)
    np.testing.assert_allclose(result.confidence[:, :26], 1.0)
    np.testing.assert_array_equal(result.confidence[:, 26:], 0.0)
    assert not result.occlusion[:, :26].any() and result.occlusion[:, 26:].all()


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (33, 127), (101, 97)])
def test_small_and_odd_frames_give_finite_flow_of_their_own_size(size):
    frames = tiny.frames(2, *size)
    flow = tiny.model()((frames[0], frames[1]))
    assert flow.shape == (*size, 2) and flow.dtype == np.float32
    assert np.isfinite(flow).all()


def test_batched_equals_single_and_repeats_to_the_bit():
    frames, model = tiny.frames(4), tiny.model()
    batched = model(frames)
    single = np.stack([model((frames[i], frames[i + 1])) for i in range(3)])
    assert np.abs(single).max() > 0.1, "random weights must move something"
    np.testing.assert_allclose(batched, single, atol=1e-3)
    np.testing.assert_array_equal(model(frames), batched)


def test_the_padded_network_equals_the_module_on_padded_frames():
    frames, model = tiny.frames(2), tiny.model()
    padded = predict.pad(predict.as_frames(frames), predict.fit((100, 120), 64))
    with jax.default_matmul_precision("highest"):
        apply = jax.jit(model.module.apply, static_argnums=2)
        out = apply(model.variables, jnp.asarray(padded[None]), tiny.ITERS)
    expected = np.asarray(out.flows)[-1, 0, 0, 14:114, 4:124]
    np.testing.assert_allclose(model((frames[0], frames[1])), expected, atol=1e-4)


def test_models_of_one_form_share_their_programs_and_keep_their_weights():
    frames, meta = tuple(tiny.frames(2)), {"name": "other", "defaults": {"iters": tiny.ITERS}}
    weights = jax.tree.map(lambda x: 0.5 * x, tiny.variables())
    flow = tiny.model()(frames)
    other = api.Model(tiny.config(), weights, meta=meta)
    assert np.abs(other(frames) - flow).max() > 0.1
    assert other.runner.compile_seconds == 0 < other.runner.peak_bytes
    np.testing.assert_array_equal(tiny.model()(frames), flow)
    rounded = api.Model(tiny.config(), weights, meta=meta, precision="bf16")
    rounded(frames)
    assert rounded.runner.compile_seconds > 0
