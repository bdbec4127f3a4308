"""`daflow fit`: what it refuses, and one clip that is interrupted and goes on."""

import cv2
import numpy as np
import pytest

from daflow_jax import api, cli
from daflow_jax.fitting import descent
from daflow_jax.fitting.tracks import points
from tests import tiny


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip").mkdir()
    for number, frame in enumerate(tiny.frames(3, 40, 56)):
        cv2.imwrite(str(tmp_path / f"clip/{number}.png"), frame)
    return tmp_path / "clip"


REFUSED = {
    ("-",): "standard input can be read once only",
    ("clip", "--preset", "raft"): "is not a network of tracks",
    ("clip", "--preset", "omnimotio"): "Did you mean omnimotion",
    ("clip", "--speed", "0"): "--speed 0: is not above 0",
}


@pytest.mark.parametrize("words", REFUSED, ids=lambda words: words[-1])
def test_wrong_words_are_one_line(clip, capsys, words):
    assert cli.main(["fit", *words]) == 2
    assert REFUSED[words] in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_clip_is_fitted_and_asked(clip, tmp_path, monkeypatch, capsys):
    model = str(tiny.save(tmp_path / "tiny"))
    words = ["fit", "clip", "--model", model, "--steps", "4", "--side", "32", "--gap", "2"]
    words += ["--grid", "5", "--batch-points", "2x8"]
    assert cli.main([*words, "--frame", "3", "--out", "a"]) == 2
    assert "the clip has frames 0 to 2" in capsys.readouterr().err
    monkeypatch.setattr(descent, "EVERY", 0.0)
    draw = points.Points.__call__

    def stops(self, step):
        if step == 3:
            raise KeyboardInterrupt
        return draw(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(points.Points, "__call__", stops)
        assert cli.main([*words, "--out", "a"]) == 130
    assert cli.main([*words, "--out", "a"]) == 0
    assert "goes on from step 3 of 4" in capsys.readouterr().err
    assert cli.main([*words, "--out", "b"]) == 0
    with np.load("a/clip_tracks.npz") as one, np.load("b/clip_tracks.npz") as other:
        assert one["positions"].shape == (20, 3, 2) and int(one["frame"]) == 0
        np.testing.assert_array_equal(one["positions"], other["positions"])
    found = api.load("a/clip").track([(10, 12)], 1)
    assert found.positions.shape == (1, 3, 2)
    assert not (tmp_path / "a/clip_fit").exists() and (tmp_path / "a/clip_tracks.mp4").is_file()
