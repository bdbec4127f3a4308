"""daflow degrade, as a person calls it."""

import json

import numpy as np
import pytest

from daflow_jax import cli
from daflow_jax.datasets import pairs_folder as pairs
from daflow_jax.io import image, read_image, video, write_image
from tests.datasets.test_pairs_folder import make


def picture(seed=0, height=24, width=32):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        write_image(f"clip/{seed}.bmp", picture(seed))
    write_image("clip/sub/a.png", picture().astype(np.uint16) * 257)
    return tmp_path


def tree(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_folder_keeps_its_tree_and_its_recipe_repeats_it(clip, capsys):
    assert cli.main(["degrade", "clip", "--recipe", "noise", "--severity", "2", "--seed", "3"]) == 0
    assert capsys.readouterr().out.split() == ["daflow_degraded/clip", "daflow_degraded/clip/sub"]
    made = tree(clip / "daflow_degraded")
    names = [f"clip/{name}.png" for name in ("0", "1", "2", "sub/a")]
    assert sorted(made) == sorted([*names, "recipe.json"])
    worse = read_image("daflow_degraded/clip/1.png").astype(float) - picture(1)
    assert 5 < worse.std() < 25  # noise of 20, cut at 0 and 255
    command = ["degrade", "clip", "--recipe", "daflow_degraded/recipe.json", "--out", "again"]
    assert cli.main([*command, "--json"]) == 0
    again = tree(clip / "again")
    assert all(again[name] == made[name] for name in names)
    stored = json.loads(capsys.readouterr().out)["sequences"]
    assert stored == json.loads(made["recipe.json"])["sequences"]


def test_pieces_of_a_long_clip_equal_the_whole(clip, monkeypatch):
    from daflow_jax.cli import degrade_inputs

    assert cli.main(["degrade", "clip", "--recipe", "combined", "--out", "whole"]) == 0
    monkeypatch.setattr(degrade_inputs, "_CLIP_BYTES", 1.0)
    assert cli.main(["degrade", "clip", "--recipe", "combined", "--out", "pieces"]) == 0
    assert tree(clip / "whole") == tree(clip / "pieces")


def test_pairs_keep_truth_and_clean_frames(clip):
    source = make(clip / "pairs/toys/one")
    assert (
        cli.main(["degrade", "pairs", "--recipe", "blur", "--severity", "3", "--out", "bad"]) == 0
    )
    (entry,) = pairs.read_pairs("bad")
    assert entry.name == "toys/one" and entry.meta["degradation"]["recipe"] == "blur"
    clean = image.read_image(entry.pictures["clean2"])
    np.testing.assert_array_equal(clean, read_image(source / "frame2.png"))
    worse = entry.load()
    assert worse.frame2.std() < 0.5 * clean.std()
    np.testing.assert_array_equal(worse.flow, pairs.read_pairs("pairs")[0].load().flow)


def test_video_stays_a_video(clip):
    with video.Writer("v.mp4", 12, (32, 48)) as writer:
        for _ in range(5):
            writer.write(np.full((32, 48, 3), 200, np.uint8))
    assert cli.main(["degrade", "v.mp4", "--recipe", "lowlight", "--level", "1"]) == 0  # as before
    assert video.info("daflow_degraded/v.mp4") == video.Info(5, 32, 48, 12.0)
    assert 100 < next(video.frames("daflow_degraded/v.mp4")).mean() < 185


def test_results_stand_unless_told(clip, capsys):
    command = ["degrade", "clip/0.bmp", "--recipe", "blur"]
    assert cli.main(command) == 0
    first = tree(clip / "daflow_degraded")
    capsys.readouterr()
    assert cli.main(command) == 2
    assert "0.png: exists. Pass --overwrite, --skip-existing or" in capsys.readouterr().err
    assert cli.main([*command, "--skip-existing"]) == 0
    assert tree(clip / "daflow_degraded")["clip/0.png"] == first["clip/0.png"]
    assert cli.main([*command, "--severity", "5", "--overwrite"]) == 0
    assert tree(clip / "daflow_degraded")["clip/0.png"] != first["clip/0.png"]


def test_one_broken_input_of_many_is_code_5(clip, capsys):
    (clip / "clip/sub/b.png").write_bytes(b"broken")
    assert cli.main(["degrade", "clip", "--recipe", "jpeg"]) == 5
    assert "b.png: not a readable image" in capsys.readouterr().err
    (failure,) = json.loads((clip / "daflow_degraded/recipe.json").read_text())["failures"]
    assert failure["input"] == "clip/sub"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clip", "--recipe", "noize"], "unknown recipe 'noize'. Did you mean noise?"),
        (["clip", "--recipe", "blur", "--severity", "9"], "9.0 is not in 1..5"),
        (["clip", "--recipe", "no.json"], "no.json: not found."),
        (["clip", "--recipe", "bad.json"], "bad.json: is not JSON ("),
        (["clip", "--recipe", "other.json"], "other.json: has no recipe for clip. Known: other."),
        (["nowhere"], "nowhere: not found."),
    ],
)
def test_wrong_use_is_one_line_and_code_2(arguments, message, clip, capsys):
    (clip / "bad.json").write_text("{")
    chains = {"seed": 0, "chains": [[]]}
    (clip / "other.json").write_text(json.dumps({"sequences": {"other": chains}}))
    assert cli.main(["degrade", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("daflow: error: ") and message in said and said.count("\n") == 1
    assert not (clip / "daflow_degraded").exists()


def test_published_pipeline_is_the_default_and_repeats(clip, capsys):
    assert cli.main(["degrade", "clip", "--seed", "3"]) == 0
    record = json.loads((clip / "daflow_degraded/recipe.json").read_text())
    assert record["recipe"] == "realbasicvsr" and record["level"] == 0
    (chain,) = record["sequences"]["clip"]["chains"]
    assert len(next(step for step in chain if step["op"] == "scale")["scale"]) == 3
    command = ["degrade", "clip", "--recipe", "daflow_degraded/recipe.json", "--out", "again"]
    assert cli.main(command) == 0
    made, again = tree(clip / "daflow_degraded"), tree(clip / "again")
    assert all(again[name] == made[name] for name in made if name.endswith(".png"))
    assert (
        cli.main(["degrade", "clip", "--recipe", "star", "--severity", "2", "--out", "star"]) == 0
    )
    stored = json.loads((clip / "star/recipe.json").read_text())["sequences"]
    assert len(stored["clip"]["chains"]) == 3


def test_true_motion_blur_reads_the_pairs_flow(clip, capsys):
    make(clip / "pairs/toys/one")
    (entry,) = pairs.read_pairs("pairs")
    assert cli.main(["degrade", "pairs", "--recipe", "true_motion_blur", "--severity", "5"]) == 0
    (worse,) = pairs.read_pairs("daflow_degraded")
    assert not np.array_equal(worse.load().frame1, entry.load().frame1)
    assert cli.main(["degrade", "clip", "--recipe", "true_motion_blur", "--out", "no"]) == 2
    assert "true motion, which is not known here" in capsys.readouterr().err


def test_a_pair_whose_frame_is_a_link_to_nowhere_is_named(clip, capsys):
    folder = make(clip / "pairs/toys/one")
    next(folder.glob("frame1.*")).unlink()
    (folder / "frame1.png").symlink_to("nowhere")
    assert cli.main(["degrade", "pairs", "--recipe", "blur", "--out", "bad"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and "no picture frame1" in message
    assert not (clip / "bad").exists()
