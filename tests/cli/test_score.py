"""`daflow score`: lines and table, resuming, bad videos among good ones."""

import json

import numpy as np
import pytest

from daflow_jax import cli
from daflow_jax.io import image, video
from tests import tiny

FAST = ("--baseline", "zero", "--pairs", 2)


@pytest.fixture
def videos(tmp_path):
    """Returns a folder with two videos of 25 frames a second, and one that is none."""
    folder = tmp_path / "videos"
    for name in ("a.mp4", "c.mkv"):
        with video.Writer(folder / name, 25, (96, 128)) as writer:
            for frame in tiny.frames(6, 96, 128):
                writer.write(frame)
    (folder / "b.mp4").write_bytes(b"no video")
    return folder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_bad_video_does_not_end_the_others(daflow, videos, tmp_path):
    code, out, err = daflow("score", videos, "--baseline", "dis")
    assert code == 5 and err.count("daflow: error: ") == 1 and "b.mp4" in err
    assert "daflow_scores.jsonl: 2 lines, 1 failures" in out and "camera_share" in out
    first, second = lines(tmp_path / "daflow_scores.jsonl")
    assert first["video"] == str(videos / "a.mp4") and second["video"] == str(videos / "c.mkv")
    assert first["per"] == "second" and first["fps"] == pytest.approx(25)
    assert first["pixels_p50"] == pytest.approx(1, abs=0.1)
    assert first["sides_p50"] == pytest.approx(25 / 128, rel=0.1)
    assert first["settings"]["method"] == {"name": "dis"}
    code, out, err = daflow("score", *(videos / name for name in ("b.mp4", "a.mp4")), "--json")
    assert code == 2 and "scored with other settings (method)" in err
    files = [videos / name for name in ("b.mp4", "a.mp4")]
    code, out, _ = daflow("score", *files, "--baseline", "dis", "--json")
    assert code == 5 and json.loads(out) == first


def test_a_lone_bad_video_has_its_own_code(daflow, videos):
    code, _, err = daflow("score", videos / "b.mp4", *FAST)
    assert code == 2 and err.count("\n") == 1


def test_it_resumes_and_mends_a_torn_line(daflow, videos, tmp_path, monkeypatch):
    whole = ("score", videos / "a.mp4", videos / "c.mkv", *FAST, "--out", "o/s.jsonl")
    assert daflow(*whole)[0] == 0
    path = tmp_path / "o/s.jsonl"
    complete = path.read_bytes()
    first, second = complete.splitlines(keepends=True)
    for torn in (second[:40], b"\0" * 50, b"\0" * 50 + b"\n", b""):
        path.write_bytes(first + torn)
        code, _, err = daflow(*whole)
        assert code == 0 and "1 of 2 are scored already" in err
        assert path.read_bytes() == complete
    monkeypatch.setattr(video, "timed", None)  # nothing is read again
    assert daflow(*whole)[0] == 0
    path.write_bytes(b"{}\n" + first)
    code, _, err = daflow(*whole)
    assert code == 2 and "s.jsonl:1: is not a motion score. Pass --overwrite" in err


def test_a_kill_loses_no_line(videos, tmp_path, monkeypatch):
    """A process that ends between two videos, without a word, leaves whole lines."""
    from daflow_jax.evaluate import motion

    score, calls = motion.score, []

    class Killed(BaseException):
        pass

    def once(*args, **options):
        if calls:
            raise Killed
        calls.append(0)
        return score(*args, **options)

    monkeypatch.setattr(motion, "score", once)
    words = [str(videos / "a.mp4"), str(videos / "c.mkv"), *map(str, FAST)]
    out = tmp_path / "s.jsonl"
    with pytest.raises(Killed):
        cli.main(["score", *words, "--out", str(out)])
    assert len(lines(out)) == 1
    monkeypatch.setattr(motion, "score", score)
    assert cli.main(["score", *words, "--out", str(out)]) == 0
    assert [line["video"] for line in lines(out)] == words[:2]


def test_a_folder_of_frames_has_the_rate_that_is_given(daflow, tmp_path):
    for number, frame in enumerate(tiny.frames(4, 96, 128)):
        image.write_image(tmp_path / f"clip/{number}.png", frame)
    code, out, _ = daflow("score", "clip", *FAST, "--json")
    assert code == 0 and json.loads(out)["per"] == "frame" and json.loads(out)["fps"] is None
    words = ("score", "clip", *FAST, "--json", "--fps", 8, "--overwrite")
    code, out, _ = daflow(*words)
    assert code == 0 and json.loads(out)["per"] == "second" and json.loads(out)["fps"] == 8
    assert json.loads(out)["seconds"] == 0.5
    code, _, err = daflow("score", "clip", "--fps", 0)
    assert code == 2 and "'0' is not a number of frames a second" in err


def test_the_network_is_the_default(daflow, model, tmp_path):
    for number, frame in enumerate(tiny.frames(2, 64, 64)):
        image.write_image(tmp_path / f"clip/{number}.png", np.ascontiguousarray(frame))
    code, out, err = daflow("score", "clip", "--model", model, "--iters", 1, "--json")
    assert code == 0, err
    assert json.loads(out)["settings"]["method"]["iters"] == 1
