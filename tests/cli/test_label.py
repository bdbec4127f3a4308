"""`daflow data label`: labels are the model's own flow, complete or absent, and read as truth."""

import copy
import json

import numpy as np
import pytest

from daflow_jax import api
from daflow_jax.errors import UserError
from daflow_jax.input_pipeline import clips as stored
from daflow_jax.io import image
from daflow_jax.predict.flow import consistency
from tests import tiny

STEP = 1 / 128  # KITTI's form rounds to 1/64 px


@pytest.fixture
def clips(tmp_path):
    """Returns a folder with the clips a and b of three frames."""
    for seed, name in enumerate("ab"):
        for index, frame in enumerate(tiny.frames(3, seed=seed)):
            image.write_image(tmp_path / "clips" / name / f"{index}.png", frame)
    return tmp_path / "clips"


@pytest.fixture(scope="module")
def calm():
    """Returns a model whose small flows agree with each other in some pixels, not in all."""
    variables = copy.deepcopy(tiny.variables())
    head = variables["params"]["update"]["flow_head"]["conv2"]
    head |= {name: values * np.float32(0.016) for name, values in head.items()}
    return api.FlowModel(tiny.config(), variables, meta={"name": "calm"})


@pytest.fixture
def label(daflow, clips, calm, tmp_path):
    """Returns a function that labels the clips: (exit code, report or None, stderr)."""
    model = api.save(calm, tmp_path / "calm")

    def run(*words, root=clips, out="labels"):
        fixed = ("--model", model, "--iters", tiny.ITERS, "--out", out, "--json")
        code, text, err = daflow("data", "label", root, *fixed, *words)
        return code, json.loads(text) if text else None, err

    return run


def test_labels_are_read_as_truth_of_the_frames_both_ways(label, calm, tmp_path):
    code, report, _ = label()
    assert code == 0 and (report["labelled"], report["kept"], report["pairs"]) == (2, 0, 4)
    labelled = stored.FolderSet(tmp_path / "labels")
    assert [clip.name for clip in labelled] == ["a", "b"]
    arrays = labelled[1].read(0, 3, backward=True)
    np.testing.assert_array_equal(arrays["hq"], tiny.frames(3, seed=1))
    wanted = calm(arrays["hq"], bidirectional=True, iters=tiny.ITERS)
    assert arrays["valid"].all() and arrays["valid_back"].all()
    for key, flow in (("flow", wanted.flow), ("flow_back", wanted.backward)):
        np.testing.assert_allclose(arrays[key], flow, rtol=0, atol=STEP + 1e-4)
    np.testing.assert_array_equal(arrays["occlusion"], wanted.occlusion)
    for k in range(2):
        back = consistency.compare(wanted.backward[k], wanted.flow[k]).occlusion
        np.testing.assert_array_equal(arrays["occlusion_back"][k], back)
    assert 0.1 < arrays["occlusion"].mean() < 0.99
    assert (arrays["occlusion"] != arrays["occlusion_back"]).any()
    head = json.loads((tmp_path / "labels/labels.json").read_text())
    assert head["model"]["name"] == "calm" and len(head["model"]["sha256"]) == 64
    assert (head["source"], head["layout"]) == ("../clips", "video_folder")
    item = stored.ClipStream(labelled, 2, seed=1, backward=True)[0]
    assert item["valid"].any() and item["valid_back"].any()


def test_a_broken_clip_leaves_none_of_its_labels_and_the_rest_is_kept(label, clips, tmp_path):
    last = (clips / "b/2.png").read_bytes()
    (clips / "b/2.png").write_bytes(last[:50])
    code, report, err = label()
    assert code == 2 and report is None and "b/2.png" in err
    code, report, _ = label("--skip-bad")
    assert code == 5 and (report["labelled"], report["kept"]) == (0, 1)
    assert "b/2.png" in report["skipped"][0]["error"]
    assert not list((tmp_path / "labels").rglob("*b.labels*"))
    with pytest.raises(UserError, match="b: has no labels yet"):
        stored.FolderSet(tmp_path / "labels", "labels")
    part = stored.FolderSet(tmp_path / "labels", "labels", skip_bad=True)
    assert [clip.name for clip in part] == ["a"] and part.skipped[0][0] == "b"
    (clips / "b/2.png").write_bytes(last)
    code, report, _ = label()
    assert (report["labelled"], report["kept"]) == (1, 1)
    assert len(stored.FolderSet(tmp_path / "labels")) == 2


def test_shards_share_the_clips_and_make_the_same_files(label, tmp_path):
    label()
    code, _, err = label("--iters", 3)
    assert code == 2 and "labels.json: model is {'name': 'calm', " in err, "one model a folder"
    for index in (1, 0):
        code, report, _ = label("--shard", f"{index}/2", out="parts")
        assert code == 0 and report["labelled"] == 1
    whole = sorted((tmp_path / "labels").rglob("*.labels/**/*.*"))
    assert len(whole) == 2 * (1 + 2 * 4)
    for file in whole:
        same = tmp_path / "parts" / file.relative_to(tmp_path / "labels")
        assert file.read_bytes() == same.read_bytes()


def test_degraded_clips_are_labelled_by_their_clean_frames(label, calm, tmp_path):
    folder = tmp_path / "pairs/mine/p"
    rng = np.random.default_rng(0)
    for index, frame in enumerate(tiny.frames(2, seed=1), 1):
        image.write_image(folder / f"clean{index}.png", frame)
        noise = rng.integers(0, 256, frame.shape, dtype=np.uint8)
        image.write_image(folder / f"frame{index}.png", noise)
    (folder / "meta.json").write_text(json.dumps({"dataset": "mine"}))
    (folder / "flow.npy").write_bytes(b"")  # never read: labels take its place
    code, _, err = label("--layout", "pairs", root=tmp_path / "pairs")
    assert code == 0, err
    arrays = stored.FolderSet(tmp_path / "labels")[0].read(0, 2)
    assert set(arrays) == {"lq", "hq", "flow", "valid", "occlusion"}
    wanted = calm(tuple(tiny.frames(2, seed=1)), iters=tiny.ITERS)
    np.testing.assert_allclose(arrays["flow"][0], wanted, rtol=0, atol=STEP + 1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--shard", "2/2"), "'2/2' is not I/N with I from 0 to N - 1"),
        (("--out", "clips/labels"), "lies in "),
    ],
)
def test_misuse_is_one_line(label, words, message):
    code, _, err = label(*words)
    assert code == 2 and message in err and err.count("\n") == 1


def test_labels_of_other_frames_are_refused(label, clips, tmp_path):
    assert label()[0] == 0
    for index, frame in enumerate(tiny.frames(3, seed=5)):
        image.write_image(clips / "a" / f"{index}.png", frame)
    with pytest.raises(UserError, match="labels of other frames: its files have changed since"):
        stored.FolderSet(tmp_path / "labels")
