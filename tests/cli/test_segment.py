"""`daflow segment`: what it refuses, and one clip by a fit and by a trained segmenter."""

import json

import cv2
import numpy as np
import pytest

from daflow_jax import api, cli
from tests import tiny


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip").mkdir()
    for number, frame in enumerate(tiny.frames(3, 40, 56)):
        cv2.imwrite(str(tmp_path / f"clip/{number}.png"), frame)
    return tmp_path / "clip"


def said(capsys):
    return capsys.readouterr().err.strip().splitlines()[-1]


REFUSED = {
    ("-",): "standard input can be read once only",
    ("clip", "--formats", "mask"): "Did you mean masks?",
    ("clip", "--masks", "1"): "from 2",
    ("clip", "--segmenter", "nowhere"): "nowhere",
}


@pytest.mark.parametrize("words", REFUSED, ids=lambda words: words[-1])
def test_wrong_words_are_one_line(clip, capsys, words):
    try:
        code = cli.main(["segment", *words])
    except SystemExit as end:  # argparse
        code = end.code
    assert code == 2 and REFUSED[words] in said(capsys) and not (clip.parent / "x").exists()


@pytest.mark.slow
def test_a_fit_writes_masks_and_a_segmenter_that_is_used_again(clip, tmp_path, capsys):
    model = str(tiny.save(tmp_path / "tiny"))
    words = ["segment", "clip", "--model", model, "--steps", "2", "--side", "32", "--masks", "3"]
    assert cli.main([*words, "--out", "a", "--formats", "masks,overlay,shares"]) == 0
    mask = cv2.imread("a/clip/0.png", cv2.IMREAD_UNCHANGED)
    assert mask.shape == (40, 56) and mask.max() < 3
    shares = np.load("a/clip/0_shares.npy")
    assert shares.shape == (40, 56, 3)
    assert np.mean(shares.argmax(-1) == mask) > 0.95  # float16 has ties
    entry = json.loads((tmp_path / "a/manifest.json").read_text())["sequences"][0]
    assert entry["frames"] == 3 and sum(entry["shares"]) == pytest.approx(1, abs=1e-3)
    assert not (tmp_path / "a/clip_segmenter.npz").exists()
    assert cli.main([*words, "--out", "a", "--formats", "masks,overlay,shares"]) == 2
    assert "exists" in said(capsys)
    again = ["segment", "clip", "--segmenter", "a/clip_segmenter", "--out", "b"]
    assert cli.main(again) == 0
    same = cv2.imread("b/clip/0.png", cv2.IMREAD_UNCHANGED)
    assert np.array_equal(mask, same)
    assert api.load("a/clip_segmenter")(tiny.frames(1, 40, 56)).shape == (1, 40, 56, 3)
