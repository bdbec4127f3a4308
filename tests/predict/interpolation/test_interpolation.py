"""Frames between frames: times, padding, recursion, gate, flips."""

from fractions import Fraction

import numpy as np
import pytest

import daflow_jax
from daflow_jax import errors
from daflow_jax.predict.interpolation import network, schedule
from daflow_jax.predict.interpolation.stream import Ask
from tests import tiny
from tests.predict.interpolation import fakes

FRAMES = tiny.frames(3, 20, 37)
UNIT = FRAMES / np.float32(255)


@pytest.fixture(scope="module", autouse=True)
def fade():
    with fakes.registered():
        yield


@pytest.fixture(scope="module")
def any_time():
    return fakes.model()


@pytest.fixture(scope="module")
def middle():
    return fakes.model(any_time=False)


@pytest.mark.parametrize("times", [(0.25, 0.5, 0.75), (0.5,), (0.875, 0.0625)])
def test_halves_of_halves_equal_a_fade_at_any_time(any_time, middle, times):
    expected = np.stack([[(1 - t) * a + t * b for t in times] for a, b in zip(UNIT, UNIT[1:])])
    for model in (any_time, middle):
        np.testing.assert_allclose(model(FRAMES, times), expected, atol=1e-6)


def test_results_are_those_of_flipped_frames_too(any_time):
    plain, both = any_time(FRAMES), any_time(FRAMES, flips=True)
    np.testing.assert_allclose(both, plain, atol=1e-6)


def test_a_scale_makes_the_padding_coarser(any_time):
    assert network.padded_size((20, 37), any_time.config, any_time.options()) == (32, 48)
    options = any_time.options(scale=0.5)
    assert network.padded_size((20, 37), any_time.config, options) == (32, 64)
    assert network.padded_size((7, 5), any_time.config, any_time.options(scale=2.0)) == (16, 16)
    assert any_time(FRAMES, scale=0.5).shape == (2, 1, 20, 37, 3)


def test_what_a_network_of_middles_cannot_is_refused(middle):
    with pytest.raises(errors.UserError, match=r"times \(0.3,\): fade finds the frame in the mid"):
        middle(FRAMES, [0.3])
    with pytest.raises(errors.UserError, match="gate maybe: is unknown. Known: cuts, off, ssim"):
        middle(FRAMES, gate="maybe")
    with pytest.raises(errors.UserError, match="one frame only; interpolation needs two"):
        middle(FRAMES[:1])


def test_the_library_needs_a_model_and_places_none_twice(any_time):
    with pytest.raises(errors.UserError, match="model: must be named: no interpolator ships"):
        daflow_jax.interpolate(FRAMES)
    with pytest.raises(errors.UserError, match="device: is decided when a model is loaded"):
        daflow_jax.interpolate(FRAMES, model=any_time, device="cpu")
    found = daflow_jax.interpolate(list(FRAMES), [0.5], any_time, gate="cuts")
    np.testing.assert_array_equal(found, any_time(FRAMES))


def asks(frames, *shares):
    for first, second in zip(frames, frames[1:]):
        for share in shares:
            yield Ask(first, second, Fraction(share), share)


def test_given_frames_stay_as_they_are_and_new_ones_are_rounded(any_time):
    found = [frame for _, frame in any_time.stream(asks(list(FRAMES[:2]), 0, 0.5))]
    assert found[0] is not None and found[0].dtype == found[1].dtype == np.uint8
    np.testing.assert_array_equal(found[0], FRAMES[0])
    np.testing.assert_allclose(found[1], 255 * (UNIT[0] + UNIT[1]) / 2, atol=0.51)


def test_equal_neighbours_and_cuts_get_copies_of_the_first(any_time):
    frames = [FRAMES[0], FRAMES[0].copy(), 255 - FRAMES[0]]
    run = any_time.stream(asks(frames, 0.5))
    for _, frame in run:
        np.testing.assert_array_equal(frame, FRAMES[0])
    assert run.counts == {"static": 1, "cut": 1}
    slow = [FRAMES[0], FRAMES[0] ^ 1]  # very similar: slow motion, as a rule
    for gate, relation in (("cuts", "moving"), ("ssim", "static")):
        run = any_time.stream(asks(slow, 0.5), gate=gate)
        assert len(list(run)) == 1 and run.counts[relation] == 1
    thin = [frame[:2] for frame in (FRAMES[0], 255 - FRAMES[0])]  # 14 of 16 rows are padding
    for gate, relation in (("cuts", "cut"), ("ssim", "moving")):
        run = any_time.stream(asks(thin, 0.5), gate=gate)
        assert len(list(run)) == 1 and run.counts[relation] == 1
    run = any_time.stream(asks(frames, 0.5), gate="off")
    still, fade = (frame for _, frame in run)
    assert still.mean() > 1.02 * FRAMES[0].mean() and run.counts == {"frames": 2}
    np.testing.assert_allclose(fade, 127.5, atol=0.51)


def test_what_is_computed_ahead_comes_in_its_turn(any_time):
    run = any_time.stream(asks(list(FRAMES), 0, 0.25, 0.5), gate="off")
    behind = list(any_time.stream(asks(list(FRAMES), 0, 0.25, 0.5), gate="off"))
    run._ahead = 1  # as on an accelerator
    for (place, frame), (other, expected) in zip(run, behind, strict=True):
        assert place == other
        np.testing.assert_array_equal(frame, expected)


def test_sizes_that_differ_are_named(any_time):
    frames = [FRAMES[0], FRAMES[0][:18]]
    with pytest.raises(errors.UserError, match="v.mp4: a frame of 37x18 after 37x20"):
        list(any_time.stream(asks(frames, 0.5), where="v.mp4"))


def seconds(*times):
    return [Fraction(time) for time in times]


def places(rule, times):
    """Returns the seconds at which a schedule wants frames between times."""
    found = []
    for first, second in zip(times, [*times[1:], None], strict=True):
        length = (second or first) - first
        found += [first + share * length for share in rule(first, second)]
    return found


def test_even_and_given_times_follow_the_clock():
    times = seconds(0, "0.1", "0.4")
    assert places(schedule.Even(2), times) == seconds(0, "0.05", "0.1", "0.25", "0.4")
    rule = schedule.At([Fraction(1, 4)])
    assert places(rule, times) == seconds(0, "0.025", "0.1", "0.175", "0.4")


def test_a_constant_rate_starts_at_the_first_frame_and_takes_what_lies_on_it():
    times = [5 + Fraction(k, 25) for k in range(11)]
    assert places(schedule.Rate(Fraction(50)), times) == [5 + Fraction(k, 50) for k in range(21)]
    assert places(schedule.Rate(Fraction(10)), times) == [5 + Fraction(k, 10) for k in range(5)]
    uneven = seconds(0, "0.033", "0.067", "0.1", "0.4", "0.40001", "0.5")
    found = places(schedule.Rate(Fraction(30)), uneven)
    assert len(found) == 16 and all(abs(t - Fraction(k, 30)) <= 1e-3 for k, t in enumerate(found))
    assert found[:4] == uneven[:4]
