"""What `daflow degrade` and `daflow restore` keep: inputs, times, sound, what can be read."""

import json
from fractions import Fraction

import numpy as np
import pytest

from daflow_jax.datasets import pairs_folder
from daflow_jax.io import image, orientation, video
from tests import tiny
from tests.datasets.test_pairs_folder import make as make_pair
from tests.io.test_video_damage import without
from tests.io.videos import make, moving, packets, with_sound

TIMES = [Fraction(k, 10) for k in (0, 1, 4, 5, 9, 10)]


@pytest.fixture(scope="module")
def restorer(tmp_path_factory):
    return str(tiny.save_restorer(tmp_path_factory.mktemp("models") / "restorer"))


@pytest.fixture(params=["degrade", pytest.param("restore", marks=pytest.mark.slow)])
def run(request, daflow, restorer):
    """Returns a function that runs one of the commands: (exit code, stdout, stderr)."""
    words = {"degrade": ("--recipe", "blur"), "restore": ("--model", restorer)}[request.param]
    return lambda *more: daflow(request.param, *more, *words, "--quiet", "--out", "o")


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("word", ["--overwrite", "--skip-existing"])
def test_frames_and_videos_are_never_overwritten(daflow, restorer, tmp_path, word):
    for index, frame in enumerate(tiny.frames(2)):
        image.write_image(tmp_path / "clip" / f"{index}.png", frame)
        image.write_image(tmp_path / "jpgs" / f"{index}.jpg", frame)
    make(tmp_path / "v.mp4", moving(3))
    make_pair(tmp_path / "pairs/toys/one")
    before = tree(tmp_path)
    for source in ("clip", "jpgs", "v.mp4"):
        for words in (("degrade", source), ("restore", source, "--model", restorer)):
            code, _, err = daflow(*words, "--out", ".", word)
            assert code == 2 and err.count("\n") == 1, (words, err)
            assert "is an input" in err or "among the input frames" in err
    code, _, err = daflow("degrade", "pairs", "--out", "pairs", word)
    assert code == 2 and "is an input" in err
    assert tree(tmp_path) == before


def test_uneven_times_stay_frame_for_frame(run, tmp_path):
    make(tmp_path / "v.mkv", moving(6), times=[time + 2 for time in TIMES])
    assert run("v.mkv")[0] == 0
    stamps = [frame.stamp for frame in video.timed(tmp_path / "o/v.mp4")]
    assert [stamp.time for stamp in stamps] == TIMES


def test_sound_is_kept(run, tmp_path):
    with_sound(tmp_path / "v.mp4", moving(6))
    assert run("v.mp4")[0] == 0
    assert len(packets(tmp_path / "o/v.mp4", "audio")) > 2


def test_missing_frames_are_reported_and_the_rest_is_made(run, tmp_path):
    whole = make(tmp_path / "w.mkv", moving(12), "mpeg4", coder={"g": "1"})
    without(whole, tmp_path / "v.mkv", dropped={5, 6})
    code, _, err = run("v.mkv")
    assert code == 5 and err.count("\n") == 1
    assert "2 frames are missing after the first 5" in err and "were written" in err
    made = [frame.stamp for frame in video.timed(tmp_path / "o/v.mp4", on_damage=lambda _: None)]
    assert [float(stamp.time) for stamp in made] == [k / 25 for k in range(12) if k not in (5, 6)]


def test_one_bad_video_of_two_is_listed(run, tmp_path):
    make_folder = tmp_path / "clips"
    make_folder.mkdir()
    make(make_folder / "good.mp4", moving(3))
    (make_folder / "bad.mp4").write_bytes(b"no video")
    code, _, err = run("clips")
    assert code == 5 and err.count("\n") == 1 and "bad.mp4" in err
    assert video.info(tmp_path / "o/clips/good.mp4").frames == 3


def test_a_video_on_its_side_is_shown_upright_unless_asked(run, tmp_path, monkeypatch):
    monkeypatch.delenv(orientation.VARIABLE, raising=False)
    make(tmp_path / "v.mp4", moving(3, 64, 96), matrix=[0, 1, -1, 0])
    assert run("v.mp4")[0] == 0
    assert video.info(tmp_path / "o/v.mp4").height == 96
    assert run("v.mp4", "--stored-orientation", "--overwrite")[0] == 0
    assert video.info(tmp_path / "o/v.mp4").height == 64
    assert orientation.is_kept() is False, "the switch is of one command"


def test_a_change_of_size_is_refused(daflow, tmp_path):
    for index in range(2):
        image.write_image(tmp_path / f"clip/{index}.png", np.zeros((20 + index, 20, 3), np.uint8))
    code, _, err = daflow("degrade", "clip", "--recipe", "blur")
    assert code == 2 and "1.png: 20x21 but 0.png is 20x20" in err


def test_recipes_of_earlier_runs_stay_and_a_foreign_file_too(daflow, tmp_path):
    for name in "ab":
        image.write_image(tmp_path / name / "0.png", tiny.frames(1)[0])
        assert daflow("degrade", name, "--recipe", "blur", "--out", "o")[0] == 0
    file = tmp_path / "o/recipe.json"
    assert list(json.loads(file.read_text())["sequences"]) == ["a", "b"]
    code, _, err = daflow("degrade", "a", "--recipe", "o/recipe.json", "--out", "o", "--overwrite")
    assert code == 2 and "o/recipe.json: is an input" in err
    file.write_text("[]")
    code, _, err = daflow("degrade", "a", "--recipe", "blur", "--out", "o", "--overwrite")
    assert code == 2 and "o/recipe.json: is not a JSON object" in err and file.read_text() == "[]"


def test_pairs_of_two_sizes_and_broken_meta_are_one_line(daflow, tmp_path):
    make_pair(tmp_path / "pairs/toys/one")
    make_pair(tmp_path / "pairs/toys/two")
    make_pair(tmp_path / "pairs/toys/three")
    (tmp_path / "pairs/toys/one/meta.json").write_text("{")
    image.write_image(tmp_path / "pairs/toys/two/frame2.png", np.zeros((9, 9, 3), np.uint8))
    code, _, err = daflow("degrade", "pairs", "--recipe", "blur", "--out", "o")
    assert code == 5 and err.count("\n") == 2
    assert "one/meta.json: is not JSON" in err and "frame2.png: 9x9 but frame1.png is" in err
    assert [entry.name for entry in pairs_folder.read_pairs(tmp_path / "o")] == ["toys/three"]
