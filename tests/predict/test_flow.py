"""Windows, batches, streams, sizes and short memory, on networks that tell what they saw."""

import numpy as np
import pytest

from daflow_jax import errors, predict
from daflow_jax.predict.flow import consistency, pairs
from tests.predict.fakes import Mean, Patient, Watched, estimator, ramp, registered  # noqa: F401

pytestmark = pytest.mark.usefixtures("registered")


def test_three_frame_models_see_windows_that_share_their_border_frame():
    programs = Watched(Mean(frames=3))
    result = pairs.estimate_clip(estimator(programs, batch=4), ramp(5))
    (clips,) = programs.clips
    np.testing.assert_allclose(clips[:, :, 0, 0, 0], [[0, 0.01, 0.04], [0.04, 0.09, 0.16]])
    np.testing.assert_allclose(result.flow[:, 0, 0, 0], [0.01, 0.03, 0.05, 0.07], atol=1e-6)


def test_a_lone_pair_repeats_its_last_frame_for_three_frame_models():
    programs = Watched(Mean(frames=3))
    result = pairs.estimate_clip(estimator(programs), ramp(2))
    np.testing.assert_allclose(programs.clips[0][:, :, 0, 0, 0], [[0, 0.01, 0.01]])
    assert result.flow.shape == (1, 128, 128, 2)


def test_the_backward_flow_lies_on_the_second_frame_of_its_pair():
    result = pairs.estimate_clip(estimator(Watched(Mean()), batch=2), ramp(4), bidirectional=True)
    np.testing.assert_allclose(result.backward[..., 0], -result.flow[..., 0], atol=1e-6)


def test_a_clip_longer_than_a_batch_is_written_piece_by_piece():
    programs = Watched(Mean())
    result = pairs.estimate_clip(estimator(programs, batch=2), ramp(6))
    np.testing.assert_allclose(result.flow[:, 0, 0, 0], np.arange(1, 10, 2) * 0.01, atol=1e-6)
    assert [len(clips[0]) for clips in programs.clips] == [3, 3, 3], "one program for all pieces"
    assert result.flow.flags.writeable and result.flow.flags.owndata


def test_stream_reads_no_further_ahead_than_its_batch():
    programs, taken = Watched(Mean()), []

    def frames():
        for index, frame in enumerate(ramp(40)):
            taken.append(index)
            yield frame / 16

    for index, _ in enumerate(predict.Stream(estimator(programs, batch=3), frames())):
        assert len(taken) <= index + 1 + 3
    assert index == 38
    assert {clips.shape[1] for clips in programs.clips} == {4}, "the last batch reuses the program"


def test_warm_start_carries_the_last_flow_to_the_next_pair_until_reset():
    programs = Watched(Mean())
    stream = predict.Stream(estimator(programs), ramp(5), warm_start=True)
    next(stream), next(stream)
    assert programs.starts[0] is None
    low = np.zeros((1, 16, 16, 2), np.float32)
    low[..., 0], low[..., 1] = 0.01 / 8, np.arange(0, 128, 8)[:, None] / 8
    np.testing.assert_allclose(programs.starts[1][0], consistency.carry(low, 1), atol=1e-6)
    stream.reset()
    next(stream)
    assert programs.starts[2] is None


def test_init_flow_reaches_the_network_on_its_grid():
    programs = Watched(Mean())
    init = np.full((3, 100, 120, 2), 8.0, np.float32)
    pairs.estimate_clip(estimator(programs, batch=2), ramp(4, (100, 120)), init_flow=init)
    assert [start.shape for start in programs.starts] == [(1, 2, 16, 16, 2)] * 2
    np.testing.assert_allclose(programs.starts[0], 1.0)


def test_a_stream_wants_frames_and_starts_over_with_others():
    with pytest.raises(errors.UserError, match=r"frames: the stream has none yet. Call reset"):
        next(predict.Stream(estimator(Watched(Mean()))))
    stream = predict.Stream(estimator(Watched(Mean()), batch=1), ramp(4))
    next(stream)
    stream.reset(ramp(3))
    assert len(list(stream)) == 2


def test_each_size_starts_from_the_flow_of_the_smaller_one_in_its_own_pixels():
    programs = Watched(network := Patient())
    flow = pairs.estimate_clip(estimator(programs, 0.25, 0.5), ramp(3, (512, 1024))).flow
    assert network.seen == [(128, 256), (256, 512), (512, 1024)]
    assert len(programs.given) == 1, "one program runs all sizes"
    np.testing.assert_allclose(flow, np.broadcast_to(np.float32([64, 0]), flow.shape), atol=1e-4)


def test_sizes_too_small_to_tell_anything_are_left_out_and_max_size_holds_for_all():
    programs = Watched(network := Patient())
    pairs.estimate_clip(estimator(programs, 0.25, 0.5), ramp(2, (200, 400)))
    assert network.seen == [(128, 200), (200, 400)]
    programs = Watched(network := Patient())
    chosen = estimator(programs, 0.5, max_size=512)
    flow = pairs.estimate_clip(chosen, ramp(2, (512, 1024))).flow
    assert network.seen == [(128, 256), (256, 512)]
    np.testing.assert_allclose(flow[..., 0], 64, atol=1e-4)


@pytest.mark.parametrize("bucket", [None, 64])
@pytest.mark.parametrize("size", [(512, 1024), (371, 613)])
def test_a_given_start_goes_through_every_size(size, bucket):
    init = np.full((1, *size, 2), [24.0, -8.0], np.float32)
    chosen = estimator(Watched(Patient()), 0.25, 0.5, bucket=bucket)
    flow = pairs.estimate_clip(chosen, ramp(2, size), init_flow=init).flow
    np.testing.assert_allclose(flow, init, atol=1e-3)


def test_max_size_returns_pixels_of_the_given_frames():
    programs = Watched(network := Mean())
    result = pairs.estimate_clip(estimator(programs, max_size=128), ramp(2, (256, 256)))
    assert network.seen == [(128, 128)]
    np.testing.assert_allclose(result.flow[0, :, 0, 0], 0.02, atol=1e-6)
    assert result.flow[0, -1, 0, 1] == 2 * 127


def test_buckets_bring_frames_of_many_sizes_to_one_program():
    programs = Watched(network := Mean())
    chosen = estimator(programs, bucket=64)
    for size in ((140, 150), (150, 190), (129, 131)):
        flow = pairs.estimate_clip(chosen, ramp(2, size)).flow
        assert flow.shape == (1, *size, 2)
    assert network.seen == [(192, 192)]


def test_short_memory_halves_the_batch_and_says_so():
    programs = Watched(Mean(), most=1)
    result = pairs.estimate_clip(estimator(programs, batch=4), ramp(5))
    np.testing.assert_allclose(result.flow[:, 0, 0, 0], [0.01, 0.03, 0.05, 0.07], atol=1e-6)
    assert "out of memory" in programs.logged[0]
    assert "retrying with batch 2" in programs.logged[0]
    assert "retrying with batch 1" in programs.logged[1]


def test_short_memory_ends_in_tiles_or_in_a_refusal():
    programs = Watched(Mean())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watched, "__call__", _failing_whole(Watched.__call__, 512 * 768))
        result = pairs.estimate_clip(estimator(programs), ramp(2, (640, 832)))
    assert result.flow.shape == (1, 640, 832, 2)
    assert any("retrying with tiles of 512x768" in line for line in programs.logged)
    np.testing.assert_allclose(result.flow[..., 0], 0.01, atol=1e-6)
    with pytest.raises(errors.UserError, match="memory: .* needs 9.0 GB.*--max-size") as refusal:
        pairs.estimate_clip(estimator(Watched(Mean(), pixels=1), tile="off"), ramp(2))
    assert refusal.value.code == 3


def _failing_whole(call, pixels):
    """Returns a call that has memory for `prepared`, and for `whole` of so many pixels."""
    from daflow_jax.predict.flow import network

    def run(self, make, plan, what, *inputs):
        self.pixels = pixels if make is network.whole else 10**9
        return call(self, make, plan, what, *inputs)

    return run


def test_memory_errors_without_words_are_told_as_well():
    programs = Watched(Mean(), pixels=1)
    programs.failure = MemoryError
    with pytest.raises(errors.UserError, match="memory: the host has no more. Use --max-size"):
        pairs.estimate_clip(estimator(programs, tile="off"), ramp(2))


def test_what_did_not_fit_at_one_size_changes_nothing_at_another():
    programs = Watched(Mean(), pixels=128 * 128)
    chosen = estimator(programs)
    with pytest.raises(errors.UserError, match="memory"):
        pairs.estimate_clip(chosen, ramp(2, (136, 136)))
    assert pairs.estimate_clip(chosen, ramp(4)).flow.shape == (3, 128, 128, 2)
    assert programs.clips[-1].shape[1] == 4


def test_consistency_trusts_flow_that_leads_back_inside_the_frame():
    flow = np.zeros((20, 30, 2), np.float32)
    flow[..., 0] = 4.0
    result = consistency.compare(flow, -flow)
    np.testing.assert_allclose(result.confidence[:, :26], 1.0)
    np.testing.assert_array_equal(result.confidence[:, 26:], 0.0)
    assert not result.occlusion[:, :26].any() and result.occlusion[:, 26:].all()
    both = consistency.compare(np.stack([flow, 0 * flow]), np.stack([-flow, 0 * flow]))
    np.testing.assert_array_equal(both.confidence[0], result.confidence)
    np.testing.assert_array_equal(both.confidence[1], 1.0)
