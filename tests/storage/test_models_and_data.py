"""Models and data sets in a bucket: what goes there comes back as it was, and half of it never."""

import json

import numpy as np
import pytest

import data.build
from daflow_jax import cli, datasets, errors, pretrained
from daflow_jax.datasets import labels
from daflow_jax.export import folder
from daflow_jax.input_pipeline import clips, loader, settings
from daflow_jax.io import array_record, storage
from daflow_jax.synthetic import scene
from tests import trees

MODEL = str(pretrained.resolve(pretrained.DEFAULT_MODEL))


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DAFLOW_CACHE", str(tmp_path / "cache"))


def test_a_model_folder_goes_there_and_is_loaded_from_there(server, bucket):
    folder.write(MODEL, f"{bucket}/model", dtype="float16", shard_bytes=3 * 10**6)
    fetched = pretrained.resolve(f"{bucket}/model")
    here, there = pretrained.load(MODEL), pretrained.load(fetched)
    ours, want = pretrained.flatten(there.variables), pretrained.flatten(here.variables)
    for name, array in want.items():
        kept = array.astype(np.float16) if name.startswith("params/") else array
        np.testing.assert_array_equal(ours[name], kept)
    before = len(server.gate.requests)
    assert pretrained.resolve(f"{bucket}/model") == fetched
    asked = server.gate.requests[before:]
    assert not any("safetensors?" in line or "safetensors HTTP" in line for line in asked), asked


def test_a_half_written_model_is_refused(bucket):
    place = storage.place(bucket)
    folder.write(MODEL, place / "model")
    weights = place / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(errors.UserError, match=r"gs://.*is not what config.json names"):
        pretrained.resolve(place / "model")
    weights.unlink()
    with pytest.raises(errors.UserError, match="model.safetensors: not found"):
        pretrained.resolve(place / "model")
    with pytest.raises(errors.UserError, match="config.json") as caught:
        pretrained.resolve(place / "nothing")
    assert caught.value.code == 2


@pytest.fixture(scope="module")
def built(server, tmp_path_factory):
    """A set of clips with flow on this machine, and the same in the bucket."""
    root = tmp_path_factory.mktemp("data")
    source = trees.write("sintel", root)
    words = ["sintel", "--source", str(source), "--record-frames", "3"]
    for out in (str(root / "out"), "gs://pictures/sets"):
        assert data.build.main([*words, "--out", out]) == 0
    return root / "out/sintel"


def test_a_built_set_is_the_same_there(server, built):
    here, there = (clips.BuiltSet(path, "clean") for path in (built, "gs://pictures/sets/sintel"))
    assert len(here) == len(there) > 1
    for ours, want in zip(there, here, strict=True):
        assert (ours.name, ours.start) == (want.name, want.start)
        for key, array in want.read(0, 2).items():
            np.testing.assert_array_equal(ours.read(0, 2)[key], array)
    before = len(server.gate.requests)
    assert there[1].name == here[1].name
    assert len(server.gate.requests) == before + 1  # a record, a request
    half = clips.BuiltSet("gs://pictures/sets/sintel", "clean[50%:]")
    assert [clip.start for clip in half] == [
        clip.start for clip in clips.BuiltSet(built, "clean[50%:]")
    ]


def test_the_stream_is_the_same_there(built):
    small = scene.SceneConfig(frames=2, height=32, width=48)

    def stream(path):
        source = settings.Source("built", path=path, split="clean")
        config = settings.DataConfig("mixture", (source,), small, keys=("lq", "hq", "flow"))
        batches = loader.make_loader(config, 2)
        return [next(batches) for _ in range(3)]

    for ours, want in zip(stream("gs://pictures/sets/sintel"), stream(str(built)), strict=True):
        for key, array in want.items():
            np.testing.assert_array_equal(ours[key], array)


def test_a_set_without_its_last_file_does_not_read_as_one(built, capsys):
    place = storage.place("gs://pictures/sets/sintel/1.0.0")
    words = ["sintel", "--source", str(built.parents[1] / "sintel"), "--out", "gs://pictures/sets"]
    assert data.build.main(words) == 2 and "exists" in capsys.readouterr().err
    info = (place / "dataset_info.json").read_text()
    (place / "dataset_info.json").unlink()
    with pytest.raises(errors.UserError, match="holds no finished data set"):
        clips.BuiltSet(place.parent, "clean")
    (place / "dataset_info.json").write_text(info)


def test_a_record_file_that_is_cut_off_or_damaged_is_refused(built):
    file = next(built.glob("1.0.0/*.array_record*"))
    whole = file.read_bytes()

    def records(data):
        return array_record.Records("f", len(data), lambda start, end: data[start:end])

    assert len(records(whole)[0]) > 1000
    for broken in (whole[:-1], whole[: -(2**16)], b"", b"\0" * 2**18, whole[: 2**16] * 4):
        with pytest.raises(errors.UserError, match="no sound array_record file"):
            records(broken)
    torn = records(whole[:70] + b"\0" * 34 + whole[104:])
    with pytest.raises(errors.UserError, match="no sound array_record file"):
        torn[0]


def test_commands_take_urls_where_they_say_so(bucket, capsys, tmp_path):
    words = ["export", "--model", MODEL, "--format", "folder", "--dtype", "bfloat16"]
    assert cli.main([*words, "--out", f"{bucket}/a"]) == 0
    assert json.loads((storage.place(bucket) / "a/config.json").read_text())["format"] == 1
    assert cli.main([*words, "--out", f"{bucket}/a"]) == 2
    assert "holds a model" in capsys.readouterr().err
    assert cli.main([*words, "--out", "gs://nothing-here/a"]) == 3
    assert "there is no such bucket" in capsys.readouterr().err
    assert cli.main([*words, "--out", "gss://pictures/a"]) == 2
    assert "scheme gss://" in capsys.readouterr().err
    assert cli.main(["flow", "a.png", "b.png", "--out", f"{bucket}/flow"]) == 2
    assert "here it has to be on this machine" in capsys.readouterr().err
    pairs = trees.write("pairs_folder", tmp_path)
    words = ["eval", str(pairs), "--baseline", "zero", "--quiet"]
    assert cli.main([*words, "--out", f"{bucket}/eval"]) == 0
    record = json.loads((storage.place(bucket) / "eval/results.json").read_text())
    assert record and (storage.place(bucket) / "eval/table.md").exists()


def test_labels_of_a_clip_are_there_when_all_are(bucket, tmp_path):
    source = trees.write("pairs_folder", tmp_path)
    clip, root = datasets.list_clips(source)[0], storage.place(bucket) / "labels"
    flow, occluded = np.zeros((8, 8, 2), np.float32), np.zeros((8, 8), bool)
    for model in ("one", "one"):
        labels.start(root, source, "pairs_folder", {"model": model})
    with pytest.raises(errors.UserError, match="model is 'one', this run's is 'two'"):
        labels.start(root, source, "pairs_folder", {"model": "two"})
    with pytest.raises(ZeroDivisionError), labels.writing(root, clip) as writer:
        writer.add(flow, occluded)
        1 / 0  # noqa: B018
    assert not labels.is_done(root, clip) and not labels.folder(root, clip).exists()
    with labels.writing(root, clip) as writer:
        writer.add(flow, occluded)
        writer.add(flow, occluded, "_back")
    assert labels.is_done(root, clip)
    names = [path.name for path in labels.folder(root, clip).iterdir()]
    assert sorted(names) == ["clip.json", "flow", "flow_back", "occlusion", "occlusion_back"]
