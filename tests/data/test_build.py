"""`python -m data.build` on small trees: what is read back is what lies in the source."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow_datasets", reason="needs daflow-jax[data]")

from daflow_jax import datasets
from daflow_jax.errors import UserError
from daflow_jax.input_pipeline import clips
from daflow_jax.io import image, video
from data import build
from tests import trees

KILLED = """
import os, signal, sys
from daflow_jax.datasets import record
from data import build
whole = record.records
def records(clip, cutting):
    yield from whole(clip, cutting)
    if clip.name == "training/final/alley_1":
        os.kill(os.getpid(), signal.SIGKILL)
record.records = records
build.main(sys.argv[1:])
"""


def run(name, source, out, *words):
    """Returns the exit code of a build."""
    words = [name, "--source", source, "--out", out, *words]
    return build.main([str(word) for word in words])


def report(capsys):
    """Returns the printed report."""
    return json.loads(capsys.readouterr().out)


def assert_same(stored, clip, start):
    """Asserts that a record holds what its clip has from frame `start` on."""
    count = len(stored)
    known = (*clip.known, False)[start : start + count - 1]
    assert stored.known == known
    expected, found = clip.read(start, count, True), stored.read(0, count, True)
    for side in ("", "_back"):  # a record without known flow does not say that others have it
        if not any((clip.back if side else clip.truth)[start : start + count - 1]):
            expected = {k: v for k, v in expected.items() if k not in (f"flow{side}", side)}
    assert set(expected) == set(found)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=f"{clip.name} {key}")


@pytest.mark.parametrize("name", datasets.LAYOUTS)
def test_records_hold_exactly_what_the_source_holds(name, tmp_path, capsys):
    source = trees.write(name, tmp_path)
    assert run(name, source, tmp_path / "out") == 0
    said = report(capsys)
    by_name = {clip.name: clip for clip in datasets.list_clips(source, name)}
    for split, count in trees.TREES[name][1].items():
        built = clips.BuiltSet(tmp_path / "out" / name, split)
        assert {key: said["splits"][split][key] for key in count._fields} == count._asdict()
        assert said["splits"][split]["records"] == len(built)
        published = datasets.LAYOUTS[name].counts.get(split)
        assert said["splits"][split]["published"] == (published and published._asdict())
        frames = {}
        for stored in built:
            assert_same(stored, by_name[stored.name], stored.start)
            wanted = range(stored.start, stored.start + len(stored))
            frames.setdefault(stored.name, set()).update(wanted)
        assert sum(map(len, frames.values())) == count.frames
    assert "tensorflow" not in sys.modules, "neither writing nor reading needs it"


def test_every_window_of_three_lies_in_one_short_record(tmp_path):
    source = trees.write("video_folder", tmp_path)
    assert run("video_folder", source, tmp_path, "--record-frames", 5, "--jpeg", 90) == 0
    built = clips.BuiltSet(tmp_path / "video_folder")
    starts = sorted((s.start, len(s)) for s in built if s.name == "walk.mp4")
    assert starts == [(0, 5), (3, 5), (6, 5)], "11 frames, two shared"
    windows = {start + k for start, count in starts for k in range(count - 2)}
    assert windows == set(range(11 - 2))
    stored = next(s for s in built if s.name == "walk.mp4" and s.start == 3)
    truth = list(video.frames(source / "walk.mp4"))[3]
    assert 0 < np.abs(stored.read(0, 2)["hq"][0].astype(int) - truth).mean() < 20, "JPEG"


def test_flow_stays_with_its_frames_in_later_records(tmp_path):
    source = trees.write("middlebury", tmp_path)
    assert run("middlebury", source, tmp_path / "out", "--record-frames", 4) == 0
    by_name = {clip.name: clip for clip in datasets.list_clips(source)}
    grove = [s for s in clips.BuiltSet(tmp_path / "out/middlebury") if "Grove" in s.name]
    found = sorted((s.start, *s.known) for s in grove)  # the flow leads from frame 3 to frame 4
    no = False
    assert found == [(0, no, no, no), (2, no, True, no), (4, no, no, no)]
    for stored in grove:
        assert_same(stored, by_name[stored.name], stored.start)


def test_a_broken_frame_stops_the_build_and_leaves_nothing(tmp_path, capsys):
    source = trees.write("hd1k", tmp_path)
    middle = source / "hd1k_input/image_2/000000_0011.png"
    whole = middle.read_bytes()
    middle.write_bytes(whole[:-30])
    assert run("hd1k", source, tmp_path / "out") == 2
    assert "000000_0011.png: truncated image. " in capsys.readouterr().err
    with pytest.raises(UserError, match="holds no finished data set. Build it"):
        clips.BuiltSet(tmp_path / "out/hd1k")
    assert run("hd1k", source, tmp_path / "out", "--skip-bad") == 0
    said = report(capsys)
    (skipped,) = said["skipped"]
    assert skipped["clip"] == "000000" and "truncated image" in skipped["error"]
    assert said["splits"]["train"]["skipped"] == 1 and said["splits"]["train"]["records"] == 1
    stored = json.loads((tmp_path / "out/hd1k/1.0.0/build.json").read_text())
    assert stored == said, "what was skipped stays on record"
    assert run("hd1k", source, tmp_path / "again") == 2
    middle.write_bytes(whole)
    capsys.readouterr()
    assert run("hd1k", source, tmp_path / "again") == 0
    assert report(capsys)["skipped"] == [], "notes of the failed build are gone"


def test_nothing_usable_is_an_error(tmp_path, capsys):
    source = trees.write("chairs", tmp_path)
    for path in (source / "data").glob("*.flo"):
        path.write_bytes(b"PIEH")
    assert run("chairs", source, tmp_path / "out", "--skip-bad") == 2
    assert "split train: broken, and nothing else is left: " in capsys.readouterr().err
    assert not (tmp_path / "out/chairs/1.0.0").exists()


def test_a_killed_build_never_reads_as_complete_and_can_be_repeated(tmp_path, capsys):
    source, out = trees.write("sintel", tmp_path), tmp_path / "out"
    words = ["sintel", "--source", str(source), "--out", str(out)]
    done = subprocess.run([sys.executable, "-c", KILLED, *words], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    (rest,) = (out / "sintel").glob("*incomplete*")  # the kill came in the middle
    (rest / "dataset_info.json").write_text("{}")
    with pytest.raises(UserError, match="holds no finished data set"):
        clips.BuiltSet(out / "sintel", "clean")
    assert build.main(words) == 0
    assert not list((out / "sintel").glob("*incomplete*"))
    assert len(clips.BuiltSet(out / "sintel", "clean")) == 2
    capsys.readouterr()
    assert build.main(words) == 2
    assert "1.0.0: exists. Remove it" in capsys.readouterr().err


def test_wrong_splits_and_sources_are_refused(tmp_path, capsys):
    source = trees.write("chairs", tmp_path)
    assert run("chairs:val", source, tmp_path / "out") == 0
    built = clips.BuiltSet(tmp_path / "out/chairs", "val")
    assert len(built) == 1 and built[0].name == "00002"
    with pytest.raises(UserError, match="no split 'train'"):
        clips.BuiltSet(tmp_path / "out/chairs", "train")
    assert run("chairz", source, tmp_path) == 2
    assert "Did you mean chairs" in capsys.readouterr().err
    assert run("hd1k", source, tmp_path) == 2
    assert "holds no clips of layout hd1k" in capsys.readouterr().err


def test_the_list_says_what_to_get(capsys):
    assert build.main(["--list"]) == 0
    out = capsys.readouterr().out
    for layout in datasets.LAYOUTS.values():
        facts = (layout.title, layout.download, layout.size, layout.licence, layout.tree)
        assert all(fact and fact in out for fact in facts)


@pytest.mark.parametrize("name", ["youhq", "tartanair"])
def test_beam_builds_the_same_set(name, tmp_path, capsys):
    pytest.importorskip("apache_beam", reason="needs daflow-jax[beam] in its own environment")
    source = trees.write(name, tmp_path)
    broken = source / "cat/left/frame10.png"
    if broken.exists():
        broken.write_bytes(broken.read_bytes()[:-30])
        assert run(name, source, tmp_path / "none", "--beam") == 2
        assert "frame10.png: truncated image. " in capsys.readouterr().err
        assert not (tmp_path / "none" / name / "1.0.0").exists()
    words = ("--beam-options", "--runner=DirectRunner --direct_num_workers=2")
    assert run(name, source, tmp_path / "beam", "--beam", "--skip-bad", *words) == 0
    beam = report(capsys)
    assert run(name, source, tmp_path / "alone", "--skip-bad") == 0
    alone = report(capsys)
    for key in ("splits", "skipped"):
        assert beam[key] == alone[key]
    first, second = (clips.BuiltSet(tmp_path / kind / name) for kind in ("beam", "alone"))
    places = [sorted((s.name, s.start, i) for i, s in enumerate(x)) for x in (first, second)]
    for (_, _, a), (_, _, b) in zip(*places, strict=True):
        x, y = first[a], second[b]
        for key, value in x.read(0, len(x)).items():
            np.testing.assert_array_equal(value, y.read(0, len(y))[key])


def test_pictures_that_are_no_png_are_stored_without_loss(tmp_path):
    source = trees.write("chairs", tmp_path)
    assert run("chairs", source, tmp_path / "out") == 0
    stored = clips.BuiltSet(tmp_path / "out/chairs", "val")[0]
    ppm = image.read_image(source / "data/00002_img2.ppm")
    np.testing.assert_array_equal(stored.read(0, 2)["hq"][1], ppm)
