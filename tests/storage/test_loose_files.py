"""Folders of loose files in a bucket: listed, read, labelled and built from as on a disk."""

import json
import os
import shutil

import numpy as np
import pytest

from daflow_jax import cli, datasets, errors, evaluate
from daflow_jax.datasets import labels
from daflow_jax.input_pipeline import clips, loader, settings
from daflow_jax.io import storage
from daflow_jax.synthetic import scene
from tests import trees
from tests.evaluate import on_disk


@pytest.fixture(scope="module")
def here(server, tmp_path_factory):
    """Trees on this machine; the same lie in gs://pictures/loose."""
    root = tmp_path_factory.mktemp("loose")
    for name in ("sintel", "youhq"):
        trees.write(name, root)
    storage.publish(root, storage.place("gs://pictures/loose"))
    return root


@pytest.mark.parametrize("layout", ["sintel:final", "youhq"])
def test_a_folder_reads_there_as_here(here, layout):
    name = layout.partition(":")[0]
    ours = clips.FolderSet(f"gs://pictures/loose/{name}", layout)
    want = clips.FolderSet(here / name, layout)
    assert [clip.name for clip in ours] == [clip.name for clip in want]
    for there, clip in zip(ours, want, strict=True):
        assert len(there) == len(clip) and there.known == clip.known
        start = len(clip) - 2
        arrays = clip.read(start, 2, True)
        for key, array in there.read(start, 2, True).items():
            np.testing.assert_array_equal(array, arrays.pop(key))
        assert not arrays
        pairs = zip(there.pictures(), clip.pictures(), strict=True)
        assert all(np.array_equal(one, two) for one, two in pairs)


def test_a_stream_of_a_folder_is_the_same_there(here):
    small = scene.SceneConfig(frames=2, height=24, width=32)

    def batch(path, workers):
        source = settings.Source("folder", path=path, layout="sintel:clean")
        keys = ("lq", "hq", "flow")
        config = settings.DataConfig("mixture", (source,), small, keys=keys, num_workers=workers)
        return next(loader.make_loader(config, 4))

    want = batch(str(here / "sintel"), 0)
    for key, array in batch("gs://pictures/loose/sintel", 0).items():
        np.testing.assert_array_equal(array, want[key])


def label(source, out, shard):
    root = storage.outlined(source)
    found = datasets.list_clips(root, "sintel:clean")
    place = storage.place(out)
    labels.start(place, storage.place(source), "sintel:clean", {"model": "constant"})
    flow, occluded = np.full((24, 32, 2), 3.5, np.float32), np.zeros((24, 32), bool)
    for clip in found[shard::2]:
        with labels.writing(place, clip) as writer:
            for _ in range(len(clip) - 1):
                writer.add(flow, occluded)
                writer.add(-flow, occluded, "_back")


def test_labels_there_of_clips_there_are_trained_on(here, bucket):
    label("gs://pictures/loose/sintel", f"{bucket}/labels", 0)
    with pytest.raises(errors.UserError, match=r"gs://.*has no labels yet|has no labels yet"):
        clips.FolderSet(f"{bucket}/labels", "labels")
    label("gs://pictures/loose/sintel", f"{bucket}/labels", 1)
    head = json.loads((storage.place(bucket) / "labels/labels.json").read_text())
    assert head["source"] == "gs://pictures/loose/sintel"
    source = settings.Source("folder", path=f"{bucket}/labels", layout="labels")
    small = scene.SceneConfig(frames=2, height=24, width=32)
    config = settings.DataConfig("mixture", (source,), small, keys=("lq", "flow", "flow_back"))
    batch = next(loader.make_loader(config, 4))
    assert (batch["flow"] == 3.5).all() and (batch["flow_back"] == -3.5).all()


def test_labels_that_were_made_here_move_there_with_their_clips(here, bucket, tmp_path):
    shutil.copytree(here / "sintel", tmp_path / "sintel")
    for shard in (0, 1):
        label(str(tmp_path / "sintel"), str(tmp_path / "labels"), shard)
    storage.publish(tmp_path, storage.place(bucket))
    moved = clips.FolderSet(f"{bucket}/labels", "labels")
    assert moved[0].read(0, 2)["flow"].mean() == 3.5


def test_errors_of_a_file_there_name_it(here, bucket):
    place = storage.place(bucket) / "sintel"
    storage.publish(here / "sintel", place)
    broken = place / "training/clean/alley_1/frame_0002.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    found = clips.FolderSet(place, "sintel:clean")
    with pytest.raises(errors.UserError, match="gs://pictures/.*frame_0002.png: truncated") as one:
        found[0].read(0, 2)
    assert one.value.code == 2
    with pytest.raises(errors.UserError, match="gs://pictures/nothing: not found"):
        clips.FolderSet("gs://pictures/nothing", "sintel:clean")
    with pytest.raises(errors.UserError, match="there is no such bucket"):
        clips.FolderSet("gs://nothing-here/sintel", "sintel:clean")


def test_an_outage_while_reading_is_one_line(server, here, monkeypatch):
    import asyncio

    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda s, *a: sleep(0, *a))
    found = clips.FolderSet("gs://pictures/loose/sintel", "sintel:clean")
    server.gate.refuse = (503, "busy")
    try:
        with pytest.raises(errors.UserError, match="did not answer for a while") as caught:
            found[0].read(0, 2)
    finally:
        server.gate.refuse = None
    assert caught.value.code == 3


@pytest.mark.slow
def test_pairs_there_are_evaluated(here, bucket, capsys, tmp_path):
    both = []
    for source in (str(here / "sintel"), "gs://pictures/loose/sintel"):
        pairs = evaluate.read_pairs(source, "sintel:clean", every=2)
        both.append(evaluate.run(pairs, ["zero"]).rows)
        assert len(pairs) == 2
    assert both[0][0]["epe"] == both[1][0]["epe"] > 0


def test_a_folder_of_pairs_there_is_evaluated(bucket, capsys, tmp_path):
    on_disk.write_pair(tmp_path / "pairs/a/p", 1.0)
    storage.publish(tmp_path / "pairs", storage.place(f"{bucket}/pairs"))
    rows = []
    for source in (str(tmp_path / "pairs"), f"{bucket}/pairs"):
        rows.append(evaluate.run(evaluate.read_pairs(source), ["zero"]).rows[0])
    assert rows[0]["epe"] == rows[1]["epe"] > 0 and rows[0]["name"] == rows[1]["name"]
    words = ["eval", f"{bucket}/pairs", "--baseline", "zero", "--quiet"]
    assert cli.main([*words, "--out", f"{bucket}/found"]) == 0, capsys.readouterr().err
    assert storage.place(f"{bucket}/found/results.json").exists()
    storage.place(f"{bucket}/pairs/a/p/frame2.png").write_bytes(b"no picture")
    assert cli.main([*words, "--out", str(tmp_path / "out")]) != 0
    assert f"{bucket}/pairs/a/p/frame2.png" in capsys.readouterr().err


@pytest.mark.slow
def test_a_set_is_built_from_there(here, bucket, capsys):
    pytest.importorskip("tensorflow_datasets")
    import data.build

    words = ["youhq", "--source", "gs://pictures/loose/youhq", "--out", bucket]
    assert data.build.main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["splits"]["train"]["frames"] == 14
    assert len(clips.BuiltSet(f"{bucket}/youhq")) == report["splits"]["train"]["records"]


def test_the_outline_of_a_folder_ends_with_the_process(here):
    root = storage.outlined("gs://pictures/loose/sintel")
    file = root / "training/flow/alley_1/frame_0001.flo"
    same = here / "sintel/training/flow/alley_1/frame_0001.flo"
    assert file.stat().st_size == same.stat().st_size and not any(file.read_bytes())
    there = storage.origin(file)
    assert there is not None
    assert os.fspath(there).endswith("loose/sintel/training/flow/alley_1/frame_0001.flo")
    assert storage.origin(same) is None
