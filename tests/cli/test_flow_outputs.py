"""What `daflow flow` writes: no input, nothing of nothing, a record that goes on, times, gaps."""

import json
from fractions import Fraction

import pytest

from daflow_jax.io import image, video
from tests import tiny
from tests.io.test_video_damage import without
from tests.io.videos import make, moving

FRAMES = tiny.frames(3)


@pytest.fixture
def clip(tmp_path):
    for index, frame in enumerate(FRAMES):
        image.write_image(tmp_path / "clip" / f"{index}.png", frame)
    return tmp_path / "clip"


@pytest.fixture
def flow(daflow, model):
    """Returns a function that runs `daflow flow`: (exit code, result or None, stderr)."""

    def run(*words):
        code, out, err = daflow("flow", *words, "--model", model, "--json", "--quiet")
        return code, json.loads(out) if out else None, err

    return run


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", [("--skip-existing",), ("--overwrite",), ()])
def test_frames_are_never_overwritten(flow, clip, tmp_path, words):
    before = tree(tmp_path)
    code, _, err = flow("clip", "--out", ".", "--formats", "png16", *words)
    assert code == 2 and "clip/0.png: is an input" in err and tree(tmp_path) == before
    code, _, err = flow("clip", "--out", ".", "--formats", "flo,wheel", *words)
    assert code == 2 and "0_wheel.png: would lie among the input frames" in err
    assert tree(tmp_path) == before


def test_skip_existing_touches_nothing_and_makes_the_rest(flow, clip, tmp_path):
    (tmp_path / "o/clip").mkdir(parents=True)
    (tmp_path / "o/clip/0.flo").write_bytes(b"mine")
    assert flow("clip", "--out", "o", "--formats", "flo", "--skip-existing")[0] == 0
    assert (tmp_path / "o/clip/0.flo").read_bytes() == b"mine"
    assert (tmp_path / "o/clip/1.flo").is_file()


def test_other_inputs_stay_in_the_record_and_an_interrupted_run_goes_on(
    flow, clip, tmp_path, monkeypatch
):
    from daflow_jax.cli import flow_files

    for name in ("b", "c"):
        (tmp_path / name).mkdir()
        for path in clip.iterdir():
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
    assert flow("clip", "--out", "o", "--formats", "flo")[0] == 0
    write = flow_files.write

    def interrupted(sequence, *rest):
        if sequence.name == "c":
            raise KeyboardInterrupt
        return write(sequence, *rest)

    monkeypatch.setattr(flow_files, "write", interrupted)
    words = ("b", "c", "--out", "o", "--formats", "flo", "--skip-existing")
    assert flow(*words)[0] == 130
    record = json.loads((tmp_path / "o/manifest.json").read_text())
    assert [entry["input"] for entry in record["sequences"]] == ["clip", "b"]
    done = []
    monkeypatch.setattr(
        flow_files, "write", lambda s, *rest: done.append(s.name) or write(s, *rest)
    )
    code, out, _ = flow(*words)
    assert code == 0 and done == ["c"] and [e["input"] for e in out["sequences"]] == ["b", "c"]


def test_a_foreign_manifest_is_one_line_and_stays(flow, clip, tmp_path):
    (tmp_path / "o").mkdir()
    (tmp_path / "o/manifest.json").write_text('{"name": "app"}')
    code, _, err = flow("clip", "--out", "o")
    assert code == 2 and err.count("\n") == 1 and "o/manifest.json: has no field model" in err
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["manifest.json"]


def test_no_flow_crosses_missing_frames_unless_asked(flow, tmp_path):
    whole = make(tmp_path / "w.mkv", moving(12), "mpeg4", coder={"g": "1"})
    without(whole, tmp_path / "v.mkv", dropped={5, 6})
    code, out, err = flow("v.mkv", "--formats", "flo", "--out", "o")
    assert code == 5 and err.count("\n") == 1
    assert "2 frames are missing after the first 5 (0.200 s); 8 flows were written" in err
    names = sorted(path.stem for path in (tmp_path / "o/v").iterdir())
    assert [int(name) for name in names] == [0, 1, 2, 3, 7, 8, 9, 10]
    assert len(out["failures"][0]["outputs"]) == 8
    code, out, err = flow("v.mkv", "--formats", "flo", "--out", "p", "--across-gaps")
    assert (code, err) == (0, "") and out["sequences"][0]["pairs"] == 9
    assert (tmp_path / "p/v/000004.flo").is_file() and out["sequences"][0]["damage"]


def test_a_truncated_video_keeps_what_was_made_and_says_it_once(flow, tmp_path):
    data = make(tmp_path / "w.mkv", moving(12), "mpeg4", coder={"g": "1"}).read_bytes()
    (tmp_path / "v.mkv").write_bytes(data[: len(data) * 2 // 3])
    code, out, err = flow("v.mkv", "--formats", "flo", "--out", "o")
    made = len(list((tmp_path / "o/v").iterdir()))
    assert code == 5 and err.count("\n") == 1 and made > 2
    assert "truncated video" in err and f"{made} flows were written" in err


def test_overlay_keeps_uneven_times(flow, tmp_path):
    times = [Fraction(k, 10) for k in (0, 1, 4, 5, 9, 10)]
    make(tmp_path / "v.mkv", moving(6), times=times)
    assert flow("v.mkv", "--formats", "overlay", "--pad-last", "--out", "o")[0] == 0
    stamps = [frame.stamp for frame in video.timed(tmp_path / "o/v_overlay.mp4")]
    assert [stamp.time for stamp in stamps] == times


@pytest.mark.parametrize("word", ["--seed=-1", "--seed=4294967296", "--iters=99999999999"])
def test_numbers_out_of_range_are_refused(flow, clip, word):
    code, _, err = flow("clip", word)
    assert code == 2 and "is not a whole number from" in err and err.count("\n") == 1


def test_sizes_out_of_range_are_refused(flow, clip):
    for words in (("-", "--size=-5x-3"), ("-", "--size", "0x96"), ("clip", "--tile", "0x0")):
        code, _, err = flow(*words)
        assert code == 2 and "each from 1 to 65536" in err and err.count("\n") == 1
    for words in (("--bucket", "1000000"), ("--batch", "0"), ("--stride", "9" * 30)):
        code, _, err = flow("clip", *words)
        assert code == 2 and "is not a whole number from 1" in err
