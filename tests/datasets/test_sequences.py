"""What a person may name on the command line, and what wrong names say."""

import io
import types

import numpy as np
import pytest

from daflow_jax.datasets import sequences
from daflow_jax.errors import UserError
from daflow_jax.io import video, write_image
from tests.datasets.test_pairs_folder import make


def put(folder, *names, height=6, width=8):
    for number, name in enumerate(names):
        write_image(folder / name, np.full((height, width, 3), number, np.uint8))
    return folder


def put_video(path):
    with video.Writer(path, 10, (16, 16)) as writer:
        for _ in range(4):
            writer.write(np.zeros((16, 16, 3), np.uint8))


def levels(sequence):
    return [int(frame[0, 0, 0]) for frame in sequence.frames()]


def test_files_are_one_sequence_in_the_order_given(tmp_path):
    put(tmp_path / "clip", "b.png", "a.png", "c.png")
    files = [str(tmp_path / "clip" / name) for name in ("b.png", "a.png", "c.png")]
    (pair,) = sequences.resolve(files[:2])
    assert (pair.name, pair.kind, pair.length, pair.names) == ("clip", "images", 2, ["b", "a"])
    (three,) = sequences.resolve(files)
    assert levels(three) == [0, 1, 2] and next(three.frames()).dtype == np.uint8


def test_folder_is_in_natural_order_and_sub_folders_are_sequences(tmp_path):
    root = put(tmp_path / "clips", "frame10.png", "frame2.png", "frame1.png")
    put(root / "left", "1.png", "2.png")
    put(root / "left/deep", "1.png", "2.png")
    (root / "notes.txt").write_text("x")
    found = sequences.resolve([str(root)])
    assert [sequence.name for sequence in found] == ["clips", "clips/left"]
    assert found[0].names == ["frame1", "frame2", "frame10"] and levels(found[0]) == [2, 1, 0]
    assert found.note == "skipped 1 files that are not images (first: notes.txt)"
    deep = sequences.resolve([str(root)], recursive=True)
    assert [sequence.name for sequence in deep] == ["clips", "clips/left", "clips/left/deep"]


def test_glob_list_video_and_pairs_folder(tmp_path):
    put(tmp_path / "clip", "1.png", "2.png", "10.png")
    (globbed,) = sequences.resolve([str(tmp_path / "clip/*.png")])
    assert globbed.names == ["1", "2", "10"]
    (tmp_path / "list.txt").write_text("# a b\nclip/1.png clip/2.png\n\nclip/2.png clip/10.png\n")
    found = sequences.resolve([f"@{tmp_path}/list.txt"])
    assert [(s.name, s.names) for s in found] == [("clip/1", ["1", "2"]), ("clip/2", ["2", "10"])]
    put_video(tmp_path / "v.mp4")
    (clip,) = sequences.resolve([str(tmp_path / "v.mp4")])
    assert (clip.kind, clip.name, clip.length, clip.fps, clip.names) == (
        "video",
        "v",
        4,
        10.0,
        None,
    )
    assert levels(clip) == [0, 0, 0, 0]
    make(tmp_path / "pairs/toys/one")
    (pair,) = sequences.resolve([str(tmp_path / "pairs")])
    assert (pair.name, pair.names) == ("pairs/toys/one", ["frame1", "frame2"])


def test_names_are_unique(tmp_path):
    put(tmp_path / "a/clip", "1.png", "2.png")
    put(tmp_path / "b/clip", "1.png", "2.png")
    found = sequences.resolve([str(tmp_path / "a/clip"), str(tmp_path / "b/clip")])
    assert [sequence.name for sequence in found] == ["clip", "clip_2"]
    (mixed,) = sequences.resolve([str(tmp_path / f"{side}/clip/1.png") for side in "ab"])
    assert mixed.names == ["000000_1", "000001_1"]


def test_stdin_gives_raw_frames(monkeypatch):
    raw = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    feed = lambda data: monkeypatch.setattr(  # noqa: E731
        "sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(data))
    )
    (stream,) = sequences.resolve(["-"], size=(4, 3))
    feed(raw.tobytes())
    np.testing.assert_array_equal(list(stream.frames()), raw)
    feed(raw.tobytes()[:-5])
    with pytest.raises(UserError, match="-: ends 31 bytes into frame 1; 4x3 has 36. Check --size"):
        list(stream.frames())
    with pytest.raises(UserError, match="have no size of their own. Pass --size"):
        sequences.resolve(["-"])


def test_frames_of_different_sizes_name_both_files(tmp_path):
    put(tmp_path, "0006.png")
    put(tmp_path, "0007.png", height=5)
    (sequence,) = sequences.resolve([str(tmp_path)])
    rule = "0007.png: 8x5 but 0006.png is 8x6; frames of one sequence share a size. Resize or split"
    with pytest.raises(UserError, match=rule):
        list(sequence.frames())


def test_wrong_names_are_refused(tmp_path):
    put(tmp_path / "one", "1.png")
    (tmp_path / "a.txt").write_text("1.png\n")
    (tmp_path / "b.txt").write_text("1.png 2.png\n")
    for text, rule in {
        f"{tmp_path}/no": "no: not found. Check the name",
        f"{tmp_path}/*.png": "matches no file",
        f"{tmp_path}/one": "1.png: 1 image; a sequence needs 2. Name two files or more",
        f"{tmp_path}/a.txt": "a.txt: no image or video found. Known extensions: .png",
        f"@{tmp_path}/a.txt": "a.txt:1: one file; a line names two",
        f"@{tmp_path}/b.txt": "b.txt:1: .*1.png not found",
    }.items():
        with pytest.raises(UserError, match=rule):
            sequences.resolve([text])
    assert len(sequences.resolve([f"{tmp_path}/one"], least=1)) == 1
