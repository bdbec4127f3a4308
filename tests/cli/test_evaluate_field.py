"""What the field reports beside EPE: R, neighbours of pairs, submissions."""

import json

import numpy as np
import pytest

from daflow_jax.datasets import pairs_folder as pairs
from daflow_jax.datasets import read_pairs
from daflow_jax.evaluate import baselines, degradations
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image
from tests import tiny, trees
from tests.evaluate.on_disk import write_pair


def test_r_is_the_distance_between_clean_and_degraded_estimates(daflow, tmp_path):
    write_pair(tmp_path / "pairs/a/p", -1.0)
    words = ("eval", "pairs", "--baseline", "dis,zero", "--degrade", "noise:4,blur:4", "--json")
    code, out, _ = daflow(*words)
    assert code == 0
    results = json.loads(out)
    (pair,) = pairs.read_pairs(tmp_path / "pairs")
    frames, dis = tiny.frames(2), baselines.get("dis")
    expected = []
    for degradation in degradations.resolve("noise:4,blur:4"):
        bad = degradation.apply(frames, degradations.seed_of(pair, 0))
        expected.append(np.linalg.norm(dis(bad) - dis(frames), axis=-1).mean())
    clean, *worse = results["degradation"]
    assert clean["robustness"] is None
    assert [d["robustness"]["epe"] for d in worse] == pytest.approx(expected, rel=1e-4)
    assert results["robustness"]["degradations"] == 2
    assert results["robustness"]["mean"]["epe"] == pytest.approx(np.mean(expected), rel=1e-4)
    mean = results["others"][0]["degradation"][0]["epe"]["per_image"] - clean["epe"]["per_image"]
    above = results["others"][0]["degradation"][0]["epe_above_first"]
    assert above == {"mean": pytest.approx(mean), "interval": None}, "one clip"
    assert results["others"][0]["robustness"]["median"] == {"epe": 0, "out1": 0, "fl_all": 0}
    assert "### R, px" in (tmp_path / "daflow_eval/table.md").read_text()
    code, out, _ = daflow(*words, "--no-clean")
    assert json.loads(out)["robustness"] is None, "nothing to compare with"


def test_pairs_of_a_sequence_have_their_neighbours(tmp_path):
    trees.write("sintel", tmp_path)
    found = read_pairs(tmp_path / "sintel", "sintel:clean")
    scene = tmp_path / "sintel/training/clean/alley_1"
    first, second = found[0].neighbour(), found[1].neighbour()
    assert (first.before, second.before) == (False, True)
    np.testing.assert_array_equal(first.frame, image.read_image(scene / "frame_0003.png"))
    np.testing.assert_array_equal(second.frame, image.read_image(scene / "frame_0001.png"))
    assert found[2].neighbour() is None and found[0].group == found[1].group
    assert found[0].load().unreliable.any()


def submit(daflow, model, *words):
    fixed = ("--model", model, "--iters", tiny.ITERS, "--json")
    code, out, err = daflow("eval", *words, *fixed)
    return code, json.loads(out) if out else None, err


@pytest.mark.parametrize(("name", "folder"), [("kitti2015", "flow/"), ("kitti2012", "")])
def test_kitti_submission_has_the_names_and_form_of_the_benchmark(
    daflow, model, tmp_path, name, folder
):
    trees.write(name, tmp_path)
    words = (name, "--submission", "kitti", "--layout", name)
    code, summary, _ = submit(daflow, model, *words)
    files = sorted((tmp_path / "daflow_eval/submission").rglob("*.*"))
    names = [path.relative_to(tmp_path / "daflow_eval/submission").as_posix() for path in files]
    assert code == 0 and names == [f"{folder}00000{k}_10.png" for k in (0, 1)]
    assert (summary["flows"], summary["complete"]) == (2, False), "the benchmark has more"
    camera = {"kitti2015": "image_2", "kitti2012": "colored_0"}[name]
    frames = [
        image.read_image(tmp_path / name / f"testing/{camera}/000001_{k}.png") for k in (10, 11)
    ]
    flow, valid = flow_files.read_flow(files[1])
    wanted = tiny.model()(tuple(frames), iters=tiny.ITERS)
    inside = np.abs(wanted).max(-1) < 511
    assert inside.mean() > 0.9 and valid[inside].all()
    assert np.abs(flow - wanted)[inside].max() <= 1 / 128 + 1e-3


def test_sintel_submission_has_both_renderings_and_may_start_warm(daflow, model, tmp_path):
    trees.write("sintel", tmp_path)
    for number, frame in enumerate(tiny.frames(3, 24, 32), 1):
        path = tmp_path / f"sintel/test/clean/market_1/frame_{number:04d}.png"
        image.write_image(path, frame)
    read = {}
    for init in ("zero", "warm"):
        words = ("sintel", "--submission", "sintel", "--init", init, "--out", init)
        code, summary, _ = submit(daflow, model, *words)
        assert code == 0 and (summary["flows"], summary["published_flows"]) == (3, 1104)
        files = sorted((tmp_path / init / "submission").rglob("*.flo"))
        names = [path.relative_to(tmp_path / init / "submission").as_posix() for path in files]
        assert names[0] == "clean/market_1/frame_0001.flo"
        assert names[1:] == ["clean/market_1/frame_0002.flo", "final/market_1/frame_0001.flo"]
        read[init] = [flow_files.read_flow(path)[0] for path in files]
    # two programs, of which one takes the start as an argument: equal but for rounding
    np.testing.assert_allclose(read["zero"][0], read["warm"][0], rtol=1e-5)
    assert np.abs(read["zero"][1] - read["warm"][1]).max() > 1e-3, "the second starts elsewhere"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--submission", "kitti", "--degrade", "noise:2"), "--degrade: has no meaning where"),
        (("--submission", "kitti", "--min-epe-drop", "0"), "--min-epe-drop: has no meaning where"),
        (("--submission", "kitti", "--layout", "sintel"), "Use kitti2015 or kitti2012."),
        (("--submission", "sintel"), "holds no clips of layout sintel"),
        (("--init", "warm"), "--init warm: pairs do not follow each other."),
    ],
)
def test_misuse_of_submissions_is_one_line(daflow, tmp_path, words, message):
    write_pair(tmp_path / "pairs/a/p", 1.0)
    code, _, err = daflow("eval", "pairs", *words)
    assert (code, err.count("\n")) == (2, 1) and message in err
