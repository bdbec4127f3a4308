"""Clips from disk by number: windows, order, and the way into Grain."""

import pickle

import numpy as np
import pytest

from daflow_jax.errors import UserError
from daflow_jax.input_pipeline import clips
from daflow_jax.io import image
from tests import batches, trees


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name in ("sintel", "middlebury", "pairs_folder", "kitti2015", "video_folder"):
        trees.write(name, folder)
    return folder


def stream(root, name, frames, **options):
    split = {"sintel": ":final", "middlebury": ":train", "kitti2015": ":train"}.get(name, "")
    return clips.ClipStream(clips.FolderSet(root / name, name + split), frames, **options)


def test_items_are_a_function_of_seed_and_number(root):
    first, later = stream(root, "sintel", 2, seed=3), stream(root, "sintel", 2, seed=3, start=5)
    assert len(first) - len(later) == 5
    copy = pickle.loads(pickle.dumps(later))
    for index in (4, 0, 7):
        for other in (later, copy):
            a, b = first[5 + index], other[index]
            assert set(a) == set(b) and a["index"] == 5 + index
            for key in a:
                np.testing.assert_array_equal(a[key], b[key])
    places = [stream(root, "sintel", 2, seed=4).place(n) for n in range(8)]
    assert [sorted(places[k : k + 2]) for k in range(0, 8, 2)] == [[0, 1]] * 4, "each once a pass"
    assert len({tuple(places[k : k + 2]) for k in range(0, 8, 2)}) == 2, "in changing order"
    tags = {float(first[n]["flow"][0, 0, -1, 0]) for n in range(30)}
    assert tags == {1.0, 2.0, 3.0}, "every window is drawn"


def test_windows_hold_as_much_known_flow_as_there_is(root):
    grove = stream(root, "middlebury", 3)
    starts = set()
    for number in range(12):
        clip = grove.clips[grove.place(number)]
        if len(clip) == 8:
            item = grove[number]
            known = item["valid"].any((1, 2))
            assert known.sum() == 1
            starts.add(int(known.argmax()))
            np.testing.assert_array_equal(item["flow"][~item["valid"]], 0)
    assert starts == {0, 1}, "the known pair is the first or the second of a window"


def test_short_clips_repeat_their_last_frame_without_flow(root):
    item = stream(root, "kitti2015", 3)[0]
    assert item["hq"].shape[0] == 3 and item["flow"].shape[0] == item["valid"].shape[0] == 2
    np.testing.assert_array_equal(item["hq"][1], item["hq"][2])
    assert item["valid"][0].any() and not item["valid"][1].any()


def test_items_keep_the_rules_of_a_batch(root):
    item = stream(root, "pairs_folder", 2, backward=True)[1]
    assert set(item) >= {"index", "lq", "hq", "flow", "valid", "occlusion"}
    batch = {key: value[None] for key, value in item.items() if key != "index"}
    batches.check(batch)
    path = next((root / "pairs_folder").rglob("clean1.png")).parent
    hqs = [image.read_image(f) / np.float32(255) for f in path.parent.rglob("clean1.png")]
    assert any(np.allclose(item["hq"][0], hq, atol=1e-6) for hq in hqs)


def test_grain_reads_degrades_and_batches(root):
    grain = pytest.importorskip("grain")
    from daflow_jax.input_pipeline import transforms
    from daflow_jax.input_pipeline.settings import DegradeConfig

    degrade = DegradeConfig(clean_share=0.0, codec_share=0.0)
    source = stream(root, "sintel", 2, seed=1)
    dataset = grain.MapDataset.source(source).map(transforms.Degrade(degrade, seed=1))
    dataset = dataset.map(transforms.Select(("lq", "hq", "flow", "valid", "weight")))
    batch = dataset.batch(3)[1]
    batches.check({key: np.asarray(value) for key, value in batch.items()})
    assert batch["lq"].shape == (3, 2, trees.HEIGHT, trees.WIDTH, 3)
    assert not np.array_equal(batch["lq"], batch["hq"])
    np.testing.assert_array_equal(batch["flow"][0], source[3]["flow"])
    mixed = grain.MapDataset.mix(
        [
            grain.MapDataset.source(stream(root, name, 2)).map(
                transforms.Select(("hq", "flow", "valid"))
            )
            for name in ("sintel", "video_folder")
        ],
        weights=[0.5, 0.5],
    )
    assert [bool(mixed[k]["valid"].any()) for k in range(4)] in (
        [True, False] * 2,
        [False, True] * 2,
    )


def test_single_corruptions_leave_points_in_their_place(monkeypatch):
    from daflow_jax.degrade import corruptions
    from daflow_jax.input_pipeline import transforms
    from daflow_jax.input_pipeline.settings import DegradeConfig

    monkeypatch.delattr(transforms.pipeline, "sample_recipe")  # nothing comes from the mixture
    frames = np.zeros((2, 64, 64, 3), np.float32)
    frames[:, 16:48, 16:48] = 0.8
    make = transforms.Degrade(DegradeConfig(clean_share=0.0, single_share=1.0), seed=1)
    seen = [make({"hq": frames, "index": index})["lq"] for index in range(24)]
    assert len({x.tobytes() for x in seen}) == 24 and len(corruptions.DETAIL) == 15
    for lq in seen:
        bright = lq[0].mean(-1) > (lq[0].min() + lq[0].max()) / 2
        assert abs(np.argwhere(bright).mean(0) - 31.5).max() < 3


def test_broken_clips_stop_a_folder_or_are_counted(root, tmp_path):
    tree = trees.write("middlebury", tmp_path)
    (tree / "other-data/Grove3/frame12.png").unlink()
    with pytest.raises(UserError, match="frame13.png: follows frame11.png"):
        clips.FolderSet(tree)
    found = clips.FolderSet(tree, skip_bad=True)
    assert len(found) == 3 and [name for name, _ in found.skipped] == ["other-data/Grove3"]
    with pytest.raises(UserError, match="1; a window has at least 2"):
        clips.ClipStream(found, 1)
