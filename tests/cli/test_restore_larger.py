"""`daflow restore` with models that make frames four times as large."""

import json

import numpy as np
import pytest

import daflow_jax
from daflow_jax.io import image, video
from daflow_jax.predict import memory
from tests import larger, tiny

FRAMES = tiny.frames(4, 26, 34)


@pytest.fixture(scope="session")
def rrdb(tmp_path_factory):
    return larger.save(tmp_path_factory.mktemp("models"), "rrdb-nano")


@pytest.fixture(scope="session")
def basicvsr(tmp_path_factory):
    return larger.save(tmp_path_factory.mktemp("models"), "basicvsr-nano")


@pytest.fixture
def film(tmp_path):
    """Returns a video of four frames with uneven times."""
    path = tmp_path / "v.mp4"
    with video.Writer(path, 10, FRAMES.shape[1:3]) as writer:
        for frame, time in zip(FRAMES, (0, 0.1, 0.3, 0.4), strict=True):
            writer.write(frame, time)
    return path


def test_a_video_becomes_a_larger_one_with_its_times(daflow, film, basicvsr, tmp_path):
    words = ("restore", film, "--model", basicvsr, "--formats", "video,png", "--compare")
    code, out, _ = daflow(*words, "--window", 3, "--ahead", 2, "--json", "--quiet")
    assert code == 0
    (entry,) = json.loads(out)["sequences"]
    outputs = entry["outputs"]
    assert 0 < entry["network_seconds"] <= entry["seconds"] - entry["compile_seconds"]
    place = tmp_path / "daflow_restored"
    assert len(outputs) == 2 + 2 * 4 and str(place / "v.mp4").endswith(outputs[0])
    stamps = [[f.stamp.time for f in video.timed(path)] for path in (film, place / "v.mp4")]
    assert stamps[0] == stamps[1]
    shown = next(iter(video.frames(place / "v_compare.mp4")))
    picture = image.read_image(place / "v/000002.png")
    assert picture.shape == (104, 136, 3) and shown.shape == (104, 2 * 136 + 4, 3)
    frames = np.stack(list(video.frames(film)))
    whole = daflow_jax.restore(frames, basicvsr, window="all")
    np.testing.assert_allclose(picture / 255, whole[2], atol=0.51 / 255 + 1e-4)


@pytest.mark.parametrize("guide", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_interrupted_run_goes_on(daflow, film, rrdb, model, guide, tmp_path):
    words = ["restore", film, "--model", rrdb, "--formats", "video,png", "--skip-existing"]
    words += ["--guide", 0.5, "--guide-model", model] if guide else []
    assert daflow(*words, "--quiet")[0] == 0
    place = tmp_path / "daflow_restored"
    first = [image.read_image(place / f"v/00000{i}.png") for i in range(4)]
    (place / "v/000002.png").unlink()
    (place / "v.mp4").unlink()
    image.write_image(place / "v/000000.png", first[0] // 2)  # kept as it is
    assert daflow(*words, "--quiet")[0] == 0
    again = [image.read_image(place / f"v/00000{i}.png") for i in range(4)]
    np.testing.assert_array_equal(again[2], first[2])
    np.testing.assert_array_equal(again[0], first[0] // 2)
    shown = list(video.frames(place / "v.mp4"))
    assert len(shown) == 4 and abs(shown[0].mean() - again[0].mean()) < 3


def test_grey_and_deep_pictures(daflow, rrdb, tmp_path):
    grey = FRAMES[0][..., :1].astype(np.uint16) * 257
    image.write_image(tmp_path / "clip/a.png", np.repeat(grey, 3, -1))
    image.write_image(tmp_path / "grey/a.png", FRAMES[0][..., 0])
    assert daflow("restore", "clip", "grey", "--model", rrdb, "--quiet")[0] == 0
    deep, plain = (
        image.read_image(tmp_path / f"daflow_restored/{n}/a.png") for n in ("clip", "grey")
    )
    assert deep.dtype == np.uint8 and deep.shape == (104, 136, 3)
    np.testing.assert_allclose(deep.astype(int), plain, atol=1)


def test_what_cannot_be_done_is_one_line_and_code_2(
    daflow, film, rrdb, basicvsr, model, tmp_path, monkeypatch
):
    image.write_image(tmp_path / "two/a.png", FRAMES[0])
    image.write_image(tmp_path / "two/b.png", FRAMES[0][:-2])
    cases = [
        ((film, "--model", model), "is a flow model (raft) and has no restoration model"),
        ((film, "--model", rrdb, "--tile", "32x32"), "--tile: 32x32 is below 80"),
        ((film, "--model", rrdb, "--ahead", 2), "ahead: is not read: rrdb-nano is not recurrent"),
        ((film, "--model", basicvsr, "--guide"), "guide: is for networks that see single frames"),
        ((film, "--model", rrdb, "--guide", 1), "'1' is not a number above 0 and below 1"),
        ((film, "--model", rrdb, "--formats", "gif"), "'gif' is not auto, video, png or video,png"),
        ((film, "--model", rrdb, "--window", "most"), "'most' is not a whole number"),
        (("two", "--model", rrdb), "b.png: 34x24 but a.png is 34x26; frames of one"),
    ]
    for words, text in cases:
        code, _, err = daflow("restore", *words)
        assert code == 2 and text in err, err
        assert [x for x in err.splitlines() if x.startswith("daflow: error")] == err.splitlines()[
            -1:
        ]
    monkeypatch.setattr("daflow_jax.predict.program._shared", {})  # nothing is compiled
    monkeypatch.setattr(memory, "host_available", lambda: 10**6)
    code, _, err = daflow("restore", film, "--model", rrdb, "--tile", "off", "--out", "small")
    assert code == 2 and "34x26 become 136x104, and 26x34, 1 frame needs" in err
    assert "Use smaller tiles: --tile auto" in err and not (tmp_path / "small").exists()
