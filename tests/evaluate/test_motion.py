"""The laws of motion scores: what moves, how fast in pixels and seconds, and what is a cut."""

import cv2
import numpy as np
import pytest
from skimage import data

from daflow_jax import errors
from daflow_jax.evaluate import motion
from daflow_jax.evaluate.motion import camera, cuts, degradation, sampling

HEIGHT, WIDTH, COUNT = 120, 160, 12


def picture(height=HEIGHT, width=WIDTH, seed=0):
    noise = np.random.default_rng(seed).random((height, width, 3), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.rint(255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


def shifted(step, count=COUNT, seed=0):
    wide = picture(width=WIDTH + step * count, seed=seed)
    return [np.ascontiguousarray(wide[:, step * k : step * k + WIDTH]) for k in range(count)]


def moving(flow):
    """Returns the method that knows the flow."""
    return lambda frames: np.broadcast_to(np.float32(flow), (*frames.shape[1:3], 2))


def zoom(rate):
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return rate * np.stack([x - (WIDTH - 1) / 2, y - (HEIGHT - 1) / 2], axis=-1)


def zoomed(rate):
    """Returns frames that grow by `rate` each."""
    found = []
    for k in range(COUNT):
        s = (1 + rate) ** k
        middle = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
        matrix = np.hstack([s * np.eye(2), ((1 - s) * middle)[:, None]])
        found.append(cv2.warpAffine(picture(), matrix, (WIDTH, HEIGHT), borderMode=2))
    return found


def passing(step=3):
    """Returns an object that crosses a still background, and where it is in each frame."""
    back, thing = picture(), picture(40, 50, seed=1)
    frames = [back.copy() for _ in range(COUNT)]
    for k, frame in enumerate(frames):
        frame[30:70, 20 + step * k : 70 + step * k] = thing
    return frames


def test_a_shift_gives_its_speed_exactly_per_frame_and_per_second():
    frames = shifted(3)
    found = motion.score(frames, method=moving((-3, 0)))
    assert found.per == "frame" and found.fps is found.seconds is None
    assert found.pixels_mean == found.pixels_p50 == found.pixels_p95 == 3
    assert found.sides_mean == pytest.approx(3 / WIDTH, rel=1e-6)
    assert found.static_share == 0 and found.camera_share == pytest.approx(1, abs=1e-6)
    timed = motion.score(frames, (k / 25 for k in range(COUNT)), method=moving((-3, 0)))
    slow = motion.score(frames, [k / 5 for k in range(COUNT)], method=moving((-3, 0)))
    assert timed.per == "second" and timed.fps == pytest.approx(25)
    assert timed.seconds == pytest.approx(COUNT / 25)
    assert timed.sides_p95 == pytest.approx(25 * 3 / WIDTH, rel=1e-6)
    assert slow.camera_mean == pytest.approx(timed.camera_mean / 5, rel=1e-6)
    assert slow.pixels_mean == 3


def test_an_estimated_shift_is_the_cameras():
    found = motion.score(shifted(3), method="dis", pairs=4)
    assert found.pixels_p50 == pytest.approx(3, abs=0.05)
    assert found.camera_share > 0.95 and found.cuts == ()


def test_shrunk_frames_give_speeds_in_pixels_of_the_video():
    seen = []

    def method(frames):
        seen.append(frames.shape)
        return moving((-1.5, 0))(frames)

    found = motion.score(shifted(3), method=method, max_size=80, pairs=2)
    assert seen == [(2, 64, 80, 3)] * 2 and found.estimated == (64, 80) and found.pairs == 2
    assert found.pixels_p50 == 3
    assert sampling.estimated((1920, 1080), 320) == (320, 176)
    assert sampling.estimated((240, 320), 320) == (240, 320)


@pytest.mark.parametrize("method", [moving(zoom(0.03)), "dis"], ids=["true", "dis"])
def test_a_zoom_is_camera_motion(method):
    found = motion.score(zoomed(0.03), method=method)
    assert found.camera_share > 0.9 and found.object_area < 0.1
    expected = np.percentile(np.hypot(*np.moveaxis(zoom(0.03), -1, 0)), 95)
    assert found.pixels_p95 == pytest.approx(expected, rel=0.1)


def test_an_object_on_a_still_background_is_object_motion():
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[30:70, 50:100] = 3, 0
    share = 40 * 50 / (HEIGHT * WIDTH)
    found = motion.score(passing(), method=moving(flow))
    assert found.camera_share < 1e-3 and found.object_area == pytest.approx(share)
    assert found.static_share == pytest.approx(1 - share)
    assert found.pixels_mean == pytest.approx(3 * share, rel=1e-5)
    estimated = motion.score(passing(), method="dis")
    assert estimated.camera_share < 0.1 and 0.5 * share < estimated.object_area < 2 * share


def test_a_large_object_does_not_pull_at_the_cameras_motion():
    flow = zoom(0.02) + (2, -1)
    with_object = flow.copy()
    with_object[:, : WIDTH // 3] += (12, 5)
    np.testing.assert_allclose(camera.fit(with_object), flow, atol=0.01)


def test_still_frames_have_no_share():
    found = motion.score([picture()] * 4, method="zero")
    assert found.static_share == 1 and found.camera_share is None and found.pixels_mean == 0


def test_a_cut_is_found_and_no_pair_crosses_it():
    frames = shifted(3, 7) + shifted(3, 5, seed=5)
    seen = []

    def method(pair):
        seen.append(np.abs(pair[0].astype(int) - pair[1]).mean())
        return moving((-3, 0))(pair)

    found = motion.score(frames, [k / 25 for k in range(12)], method=method, pairs=99)
    assert found.cuts == (motion.Cut(7, 7 / 25),)
    assert found.pairs == 10 and max(seen) < 25
    lone = motion.score([frames[0], 255 - frames[0]], method="zero")
    assert lone.cuts == (motion.Cut(1, None),) and lone.pairs == 0 and lone.sides_mean is None


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(length):
    finder = cuts.CutFinder()
    for k, frame in enumerate(shifted(2, 14)):
        finder.add(np.full_like(frame, 255) if 6 <= k < 6 + length else frame)
    assert finder.finish() == []


def test_pairs_are_spread_over_a_video_of_unknown_length():
    sampler = sampling.Sampler(5, None)
    blank = np.zeros((8, 8, 3), np.uint8)
    for k in range(1001):
        sampler.add(blank, k / 10)
    numbers = [pair.number for pair in sampler.pairs([])]
    assert len(numbers) == 5 and np.allclose(numbers, np.arange(100, 1000, 200), atol=70)
    assert all(pair.seconds == pytest.approx(0.1) for pair in sampler.pairs([]))


def test_measures_of_degradation_follow_what_was_done():
    sharp = cv2.cvtColor(picture(256, 256), cv2.COLOR_RGB2GRAY)
    code = cv2.imencode(".jpg", sharp, [cv2.IMWRITE_JPEG_QUALITY, 5])[1]
    blocks = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)
    assert degradation.blockiness(sharp) == pytest.approx(1, abs=0.05)
    assert degradation.blockiness(blocks) > 1.5
    flat = np.full((256, 256), 128.0)
    noisy = np.random.default_rng(0).normal(flat, 10).round().astype(np.uint8)
    assert degradation.noise(noisy) == pytest.approx(10, rel=0.05)
    photograph = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)
    blurs = [degradation.blur(cv2.GaussianBlur(photograph, (0, 0), s)) for s in (0.01, 1, 3)]
    assert 0 <= blurs[0] < blurs[1] < blurs[2] <= 1
    assert degradation.blur(np.zeros((64, 64), np.uint8)) == 1
    assert degradation.middle(np.zeros((20, 600, 3), np.uint8)) is None


def test_bad_input_is_named():
    frames = shifted(1, 3)
    with pytest.raises(errors.UserError, match="there are 2, and more frames"):
        motion.score(frames, [0, 1], method="zero")
    with pytest.raises(errors.UserError, match="that of frame 2 is 1 s, after 1 s"):
        motion.score(frames, [0, 1, 1], method="zero")
    with pytest.raises(errors.UserError, match="1 frame; motion needs two"):
        motion.score(frames[:1], method="zero")
    with pytest.raises(errors.UserError, match="frame 1 has the shape"):
        motion.score([frames[0], frames[1][:50]], method="zero")
