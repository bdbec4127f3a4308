"""Frames as people name them: shells, junk, links, animations, lists, and how it is said."""

import io
import json
import os
import types

import cv2
import numpy as np
import pytest

from daflow_jax import datasets
from daflow_jax.datasets import pairs_folder, record, sequences
from daflow_jax.errors import UserError
from daflow_jax.io import image, orientation, read_image, write_image
from tests.datasets.test_pairs_folder import make
from tests.datasets.test_sequences import levels, put, put_video


def named(found):
    return [(sequence.name, sequence.names) for sequence in found]


def test_a_shell_sorts_as_text_and_numbers_are_meant(tmp_path):
    names = [f"img{n}.png" for n in (1, 10, 11, 2)]
    put(tmp_path / "clip", *names)
    given = [str(tmp_path / "clip" / name) for name in names]
    found = sequences.resolve(given)
    assert named(found) == [("clip", ["img1", "img2", "img10", "img11"])]
    assert found.note == "frames in the order of their numbers: img1.png, img2.png, img10.png ..."
    mixed = sequences.resolve([given[1], given[3], given[0]])
    assert mixed[0].names == ["img10", "img2", "img1"]
    assert mixed.note.startswith("frames in the order given, not of their numbers: img10.png, img2")
    pair = sequences.resolve([given[1], given[3]])
    assert pair[0].names == ["img10", "img2"] and "in the order given" in pair.note
    assert sequences.resolve([given[0], given[3]]).note is None
    put(tmp_path / "named", "before.png", "after.png")
    by_name = [str(tmp_path / f"named/{name}.png") for name in ("before", "after")]
    assert sequences.resolve(by_name).note is None


def test_files_of_several_folders_are_several_sequences(tmp_path):
    files = []
    for side in "ab":
        put(tmp_path / side, "1.png", "2.png", "3.png")
        files += [str(tmp_path / side / f"{n}.png") for n in (1, 2, 3)]
    found = sequences.resolve(files)
    assert named(found) == [("a", ["1", "2", "3"]), ("b", ["1", "2", "3"])]
    assert found.note == "2 folders, a sequence for each"
    (pair,) = sequences.resolve([files[0], files[3]])
    assert pair.names == ["000000_1", "000001_1"]
    short = sequences.resolve(files[:4])
    assert named(short) == [("a", ["1", "2", "3"])] and "1 folders with fewer than 2" in short.note


def test_links_that_lead_nowhere_and_frames_twice_are_named_when_their_turn_comes(tmp_path):
    put(tmp_path / "in/broken", "a0.png", "a2.png")
    (tmp_path / "in/broken/a1.png").symlink_to("gone.png")
    put(tmp_path / "in/both", "f0.png", "f0.jpg", "f1.png", "f1.jpg")
    put(tmp_path / "in/good", "f0.png", "f1.png")
    by_name = {sequence.name: sequence for sequence in sequences.resolve([str(tmp_path / "in")])}
    assert levels(by_name["in/good"]) == [0, 1]
    with pytest.raises(UserError, match="a1.png: is a link to gone.png, which does not exist"):
        by_name["in/broken"].frames()
    with pytest.raises(UserError, match=r"f0.jpg: the same frame as f0.png.*both/\*.jpg'"):
        by_name["in/both"].frames()
    (loose,) = sequences.resolve([str(path) for path in sorted((tmp_path / "in/both").iterdir())])
    with pytest.raises(UserError, match="f0.jpg: the same frame as f0.png"):
        loose.frames()
    with pytest.raises(UserError, match="a1.png: is a link to gone.png"):
        sequences.resolve([str(tmp_path / "in/broken" / f"a{k}.png") for k in range(3)])
    clips = {clip.name: clip for clip in datasets.list_clips(tmp_path / "in", "videos")}
    assert clips["both"].problem == "holds f0.jpg and f0.png, one frame twice"
    with pytest.raises(UserError, match="a1.png: is a link to gone.png"):
        list(clips["broken"].pictures())


def test_one_bad_video_among_others_does_not_end_them(tmp_path):
    put_video(tmp_path / "good.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    bad, good = sequences.resolve([str(tmp_path)])
    assert len(levels(good)) == 4
    with pytest.raises(UserError, match="bad.mp4: "):
        bad.frames()
    with pytest.raises(UserError, match="bad.mp4: "):
        sequences.resolve([str(tmp_path / "bad.mp4")])


JUNK = (".ipynb_checkpoints", "@eaDir", "__MACOSX", ".hidden", "$RECYCLE.BIN")


def test_what_programs_leave_behind_is_skipped_alike_everywhere(tmp_path):
    root = put(tmp_path / "clips", "f1.png", "f2.png", "._f1.png")
    (root / "Thumbs.db").write_bytes(b"x")
    for name in JUNK:
        put(root / name, "f1.png", "f2.png")
        make(tmp_path / "pairs" / name / "one")
    make(tmp_path / "pairs/set/one")
    for recursive in (False, True):
        found = sequences.resolve([str(root)], recursive)
        assert named(found) == [("clips", ["f1", "f2"])] and found.note is None
    (globbed,) = sequences.resolve([f"{root}/**/*.png"])
    assert globbed.names == ["f1", "f2"]
    assert [clip.name for clip in datasets.list_clips(root)] == ["clips"]
    assert [entry.name for entry in pairs_folder.read_pairs(tmp_path / "pairs")] == ["set/one"]
    assert [clip.name for clip in datasets.list_clips(tmp_path / "pairs")] == ["set/one"]
    assert datasets.detect(root).name == "video_folder"
    (root / "self").symlink_to(".")
    (root / "up").symlink_to("..")
    assert len(sequences.resolve([str(root)])) == 1
    (asked,) = sequences.resolve([str(root / ".hidden")])
    assert asked.names == ["f1", "f2"]


def animation(path, pages=3):
    frames = [np.full((16, 24, 3), 60 * k, np.uint8) for k in range(pages)]
    if path.suffix == ".tif":
        assert cv2.imwritemulti(str(path), frames)
        return path
    moving = cv2.Animation()
    moving.frames, moving.durations = frames, np.full(pages, 100, np.int32)
    assert cv2.imwriteanimation(str(path), moving)
    return path


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".avif"])
def test_an_animation_is_a_clip(suffix, tmp_path):
    root = put(tmp_path / "clips", "x1.png", "x2.png")
    path = animation(root / f"moving{suffix}")
    (alone,) = sequences.resolve([str(path)])
    assert alone.names == ["moving_000000", "moving_000001", "moving_000002"] and alone.length == 3
    np.testing.assert_allclose(levels(alone), [0, 60, 120], atol=6)
    found = sequences.resolve([str(root)])
    assert [sequence.name for sequence in found] == ["clips/moving", "clips"]
    with pytest.raises(UserError, match=f"moving{suffix}: holds 3 pictures where one is needed"):
        read_image(path)
    clips = {clip.name: clip for clip in datasets.list_clips(root)}
    moving = clips[f"moving{suffix}"]
    assert len(moving) == 3 and moving.read(1, 2)["hq"].shape == (2, 16, 24, 3)
    (stored,) = record.records(moving, record.Cutting())
    assert len(record.StoredClip(stored)) == 3


def test_lists_with_marks_quotes_and_spaces(tmp_path):
    put(tmp_path, "a 1.png", "a 2.png", "b.png", "it's.png")
    lines = "\"a 1.png\" 'a 2.png'\r\na 1.png a 2.png\r\n# note\r\nb.png it's.png\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "list.txt").write_bytes(lines.encode(encoding))
        found = sequences.resolve([f"@{tmp_path}/list.txt"])
        assert [s.names for s in found] == [["a 1", "a 2"], ["a 1", "a 2"], ["b", "it's"]]
    (tmp_path / "list.txt").write_bytes(b"a 3.png b.png\n")
    with pytest.raises(UserError, match="list.txt:1: .*a not found. Check the name; quote one"):
        sequences.resolve([f"@{tmp_path}/list.txt"])
    (tmp_path / "list.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(UserError, match="list.txt: not a text file"):
        sequences.resolve([f"@{tmp_path}/list.txt"])


def test_empty_stdin_and_senseless_sizes_are_refused(monkeypatch):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO()))
    (stream,) = sequences.resolve(["-"], size=(4, 3))
    with pytest.raises(UserError, match="-: no frame came on standard input"):
        list(stream.frames())
    for size in ((0, 96), (-5, -3)):
        with pytest.raises(UserError, match="has no pixels. Pass --size WIDTHxHEIGHT"):
            sequences.resolve(["-"], size=size)
    with pytest.raises(UserError, match="declares 90000x90000 pixels, more than the limit"):
        sequences.resolve(["-"], size=(90000, 90000))


def test_odd_names_are_found_or_refused(tmp_path):
    put(tmp_path / "x", "a1²3.png", "a1²12.png", f"{'n' * 245}.png")
    (found,) = sequences.resolve([str(tmp_path / "x")])
    assert found.names == ["a1²3", "a1²12", "n" * 245]
    for name in ("y" * 300, "a\0b"):
        with pytest.raises(UserError, match="not found"):
            sequences.resolve([str(tmp_path / name)])
    os.mkfifo(tmp_path / "pipe.png")
    (loose,) = sequences.resolve([str(tmp_path / "pipe.png"), str(tmp_path / "x/a1²3.png")])
    with pytest.raises(UserError, match="pipe.png: is a pipe"):
        list(loose.frames())


@pytest.mark.parametrize(
    ("meta", "rule"),
    [
        ("[]", "is not a JSON object but a list"),
        ("null", "is not a JSON object but null"),
        ('{"dataset": 5}', "dataset is 5; it has to be text"),
        ('{"clip": [1]}', "clip is a list; it has to be text"),
        ("[" * 100000, "nests deeper than 100 levels"),
    ],
)
def test_odd_meta_is_one_line(meta, rule, tmp_path):
    folder = make(tmp_path / "set/one")
    (folder / "meta.json").write_text(meta)
    with pytest.raises(UserError, match=f"meta.json: {rule}") as refusal:
        pairs_folder.read_pairs(tmp_path)
    assert "\n" not in str(refusal.value)
    (clip,) = datasets.list_clips(tmp_path, "pairs")
    assert clip.problem.startswith(f"meta.json: {rule}")


def test_a_frame_in_two_formats_is_refused_in_pairs(tmp_path):
    folder = make(tmp_path / "set/one")
    write_image(folder / "frame1.jpg", np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(
        UserError, match="frame1.jpg: the same frame as frame1.png; a pair has each"
    ):
        pairs_folder.read_pairs(tmp_path)
    (clip,) = datasets.list_clips(tmp_path, "pairs")
    assert "one frame twice" in clip.problem


def test_records_keep_frames_upright(tmp_path, monkeypatch):
    tag = np.frombuffer(b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0", np.uint8)
    for number in range(2):
        frame = np.zeros((16, 32, 3), np.uint8)
        done, data = cv2.imencodeWithMetadata(".jpg", frame, [cv2.IMAGE_METADATA_EXIF], [tag])
        (tmp_path / f"{number}.jpg").write_bytes(data.tobytes())
    (clip,) = datasets.list_clips(tmp_path)
    (stored,) = record.records(clip, record.Cutting())
    assert tuple(stored["size"]) == (32, 16) and image.header(stored["frames"][0], "").height == 32
    monkeypatch.setenv(orientation.VARIABLE, "stored")
    assert record.StoredClip(stored).read(0, 2)["hq"].shape == (2, 32, 16, 3)


def test_labels_whose_source_is_labels_are_refused(tmp_path):
    for head in ({"source": ".", "layout": "auto"}, {"source": "..", "layout": "labels"}):
        (tmp_path / "x").mkdir(exist_ok=True)
        (tmp_path / "x/labels.json").write_text(json.dumps(head))
        with pytest.raises(UserError, match="labels.json: names other labels as its source"):
            datasets.list_clips(tmp_path / "x")
    (tmp_path / "x/labels.json").write_text('{"source": 5}')
    with pytest.raises(UserError, match="labels.json: source is 5; it has to be text"):
        datasets.list_clips(tmp_path / "x")


@pytest.mark.parametrize("name", ["flow.flo", "valid.png"])
def test_a_file_of_a_pair_that_is_a_dangling_link_is_named(name, tmp_path):
    folder = make(tmp_path / "set/one")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to("gone")
    for read in (
        lambda: pairs_folder.read_pairs(tmp_path)[0].load(),
        lambda: datasets.list_clips(tmp_path, "pairs")[0].read(0, 2),
    ):
        with pytest.raises(UserError, match=f"{name}: is a link to gone, which does not exist"):
            read()


def test_a_terminal_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(isatty=lambda: True))
    (stream,) = sequences.resolve(["-"], size=(4, 3))
    with pytest.raises(UserError, match="standard input is a terminal"):
        list(stream.frames())
