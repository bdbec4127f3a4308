"""Every layout finds its frames, flows and masks in a small tree of the true form."""

import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from daflow_jax import datasets
from daflow_jax.errors import UserError
from daflow_jax.io import image
from tests import trees


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees")
    for name in trees.TREES:
        trees.write(name, folder)
    return folder


def by_name(root, name):
    return {clip.name: clip for clip in datasets.list_clips(root / name, name)}


def tag(motion):
    """Returns the tag of a constant flow, from its valid pixels."""
    values = motion.flow[motion.valid]
    assert (values == values[0]).all() and values[0, 1] == -values[0, 0] / 4
    return values[0, 0]


@pytest.mark.parametrize("name", datasets.LAYOUTS)
def test_counts_and_names_of_every_layout(root, name):
    clips = datasets.list_clips(root / name, name)
    assert datasets.count(clips) == trees.TREES[name][1]
    assert len({(clip.split, clip.name) for clip in clips}) == len(clips)
    for clip in clips:
        clip.check()
        assert len(list(clip.pictures())) == len(clip)
    if datasets.LAYOUTS[name].marks:
        assert datasets.detect(root / name).name == name


@pytest.mark.parametrize("name", sorted(set(datasets.LAYOUTS) - {"sintel", "things"}))
def test_each_flow_is_read_for_its_own_pair(root, name):
    motions = [t.read() for c in datasets.list_clips(root / name, name) for t in c.truth if t]
    tags = [tag(motion) for motion in motions]
    expected = {"spring": [1, 2, 5, 6], "middlebury": [2, 3]}
    assert tags == expected.get(name, list(range(1, len(tags) + 1)))


def test_sintel_has_one_truth_for_both_renderings_and_masks_apart(root):
    clips = by_name(root, "sintel")
    for render in ("clean", "final"):
        alley, cave = (clips[f"training/{render}/{scene}"] for scene in ("alley_1", "cave_2"))
        assert alley.dataset == f"sintel-{render}"
        assert [tag(t.read()) for t in (*alley.truth, *cave.truth)] == [1, 2, 3]
    motion = alley.truth[0].read()
    assert motion.valid.all() and (motion.occluded == (trees.half() > 0)).all()
    assert (motion.unreliable == (trees.half(rows=False) > 0)).all()
    assert (alley.read(0, 3)["valid"] == (trees.half(rows=False) == 0)).all(), "not for training"
    shutil.copytree(root / "sintel/training", root / "bare/training")
    shutil.rmtree(root / "bare/training/occlusions")
    bare = datasets.list_clips(root / "bare", "sintel")[0].truth[0].read()
    assert bare.occluded is None and bare.unreliable is not None, "a separate download"


def test_kitti_pixels_are_occluded_where_only_occ_knows_them(root):
    clip = by_name(root, "kitti2015")["training/000000"]
    motion, left, upper = clip.truth[0].read(), trees.half(rows=False) > 0, trees.half() > 0
    assert (motion.valid == left).all() and (motion.occluded == left & ~upper).all()
    assert by_name(root, "kitti2012")["testing/000001"].truth == ()


def test_things_leads_forward_and_back(root):
    clip = by_name(root, "things")["final/TRAIN/A/0000"]
    assert [tag(t.read()) for t in (*clip.truth, *clip.back)] == [1, 2, 3, 4]
    assert [path.name for path in clip.frames] == ["0006.png", "0007.png", "0008.png"]
    arrays = clip.read(1, 2, backward=True)
    assert arrays["flow"][0, 0, 0, 0] == 2 and arrays["flow_back"][0, 0, 0, 0] == 4


def test_spring_keeps_every_second_value_and_tartanair_its_codes(root):
    left = by_name(root, "spring")["train/0001/left"]
    motion = left.back[1].read()
    assert motion.flow.shape == (trees.HEIGHT, trees.WIDTH, 2) and motion.valid.all()
    assert tag(motion) == 4
    motion = by_name(root, "tartanair")["office/Easy/P000"].truth[0].read()
    assert motion.occluded[:3].all() and not motion.occluded[3:].any()
    assert motion.valid[:2].all() and not motion.valid[2].any() and motion.valid[3:].all()


def test_middlebury_knows_the_middle_pair_of_eight_frames(root):
    clip = by_name(root, "middlebury")["other-data/Grove3"]
    assert len(clip) == 8 and clip.known == (False, False, False, True, False, False, False)
    assert (clip.truth[3].read().valid == (trees.half() > 0)).all()


def test_a_pairs_folder_offers_clean_frames_and_both_directions(root):
    clips = by_name(root, "pairs_folder")
    arrays = clips["mine/a"].read(0, 2, backward=True)
    lq, hq = (image.read_image(root / f"pairs_folder/mine/a/{k}2.png") for k in ("frame", "clean"))
    np.testing.assert_array_equal(arrays["lq"][1], lq)
    np.testing.assert_array_equal(arrays["hq"][1], hq)
    assert arrays["flow_back"][0, 0, 0, 0] == -1 and "occlusion_back" not in arrays
    assert clips["mine/b"].known == (False, True, False)


def test_pairs_in_place_have_names_for_predictions(root):
    pairs = datasets.read_pairs(root / "sintel", "sintel:final")
    names = [pair.name for pair in pairs]
    assert names[:2] == [f"training/final/alley_1/frame_000{k}" for k in (1, 2)]
    loaded = pairs[2].load()
    assert loaded.flow[0, 0, 0] == 3 and loaded.occluded.any() and loaded.valid.all()
    with pytest.raises(UserError, match="no such split here.*Known: clean, final"):
        datasets.read_pairs(root / "sintel", "sintel:finals")
    with pytest.raises(UserError, match="has no true flow here"):
        datasets.read_pairs(root / "sintel", "sintel:test_clean")


def damage(root, tmp_path, name, action):
    """Returns the clips of a copy of a tree after `action` on its folder."""
    shutil.copytree(root / name, tmp_path / name)
    action(tmp_path / name)
    return datasets.list_clips(tmp_path / name, name)


def test_missing_frames_and_files_are_named(root, tmp_path):
    gone = "other-data/Grove3/frame09.png"
    clip = damage(root, tmp_path, "middlebury", lambda folder: (folder / gone).unlink())[1]
    with pytest.raises(UserError, match="frame10.png: follows frame08.png: frames .* missing"):
        clip.check()
    gone = "training/flow/cave_2/frame_0001.flo"
    clips = damage(root, tmp_path, "sintel", lambda folder: (folder / gone).unlink())
    with pytest.raises(UserError, match="cave_2/frame_0001.flo: not found"):
        clips[1].check()
    clips = damage(root, tmp_path, "chairs", lambda d: (d / "data/00002_img2.ppm").unlink())
    with pytest.raises(UserError, match="has no 00002_img2.ppm beside 00002_img1.ppm"):
        clips[1].check()


def test_frames_of_other_sizes_and_flow_of_wrong_shape_are_refused(root, tmp_path):
    def resize(folder):
        image.write_image(folder / "cat/left/frame10.png", trees.picture(20, 20))

    clip = damage(root, tmp_path, "video_folder", resize)[0]
    with pytest.raises(UserError, match="frame10.png: 20x20 but frame9.png is 32x24; frames of"):
        list(clip.pictures())

    def reshape(folder):
        np.save(folder / "office/Easy/P000/flow/000000_000001_flow.npy", np.zeros((2, 24, 32)))

    clip = damage(root, tmp_path, "tartanair", reshape)[0]
    with pytest.raises(UserError, match=r"flow.npy: holds float64 of shape \(2, 24, 32\)"):
        clip.read(0, 2)


def test_half_a_pair_is_listed_with_what_it_lacks(root, tmp_path):
    def spoil(folder):
        (folder / "mine/a/frame2.png").unlink()
        (folder / "mine/b/meta.json").write_text("{")

    first, second = damage(root, tmp_path, "pairs_folder", spoil)
    assert first.problem == "has no frame2" and second.problem.startswith("meta.json: is not JSON")


def test_archives_and_empty_folders_are_refused_with_the_remedy(root, tmp_path):
    whole, cut = tmp_path / "whole.zip", tmp_path / "cut.tar.gz"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a.txt", "a" * 1000)
    with pytest.raises(UserError, match="whole.zip: an archive. Unpack it"):
        datasets.list_clips(whole)
    with tarfile.open(cut, "w:gz") as archive:
        archive.add(root / "chairs", "chairs")
    cut.write_bytes(cut.read_bytes()[:-2000])
    with pytest.raises(UserError, match="damaged or truncated archive. Download it again"):
        datasets.list_clips(cut)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: holds no clips of layout video_folder"):
        datasets.list_clips(tmp_path / "empty")
    with pytest.raises(UserError, match="unknown layout 'sintal'. Did you mean sintel"):
        datasets.list_clips(tmp_path / "empty", "sintal")
