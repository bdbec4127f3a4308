"""`daflow eval` on pairs whose errors are known in advance."""

import json

import numpy as np
import pytest

from daflow_jax.io import flow as flow_files
from daflow_jax.io import image
from tests import tiny
from tests.evaluate.on_disk import write_pair

# data set -> lengths of the (constant) true flows of its pairs
LENGTHS = {"alpha": (1.0, 3.0), "beta": (8.0,), "aside": (100.0,)}


@pytest.fixture
def pairs(tmp_path):
    """Returns a pairs folder; the first pair of alpha is half invalid and a quarter occluded."""
    for dataset, lengths in LENGTHS.items():
        for index, length in enumerate(lengths):
            more = {} if dataset != "aside" else {"in_averages": False}
            write_pair(tmp_path / f"pairs/{dataset}/p{index}", -length, seed=int(length), **more)
    half = np.zeros((100, 120), np.uint8)
    half[:50] = 255
    image.write_image(tmp_path / "pairs/alpha/p0/valid.png", half)
    quarter = np.zeros((100, 120), np.uint8)
    quarter[:50, :60] = 255
    image.write_image(tmp_path / "pairs/alpha/p0/occ.png", quarter)
    return tmp_path / "pairs"


def test_zero_flow_scores_the_length_of_the_truth(daflow, pairs, tmp_path):
    code, out, _ = daflow("eval", pairs, "--baseline", "zero", "--json")
    results = json.loads(out)
    assert code == 0 and results == json.loads((tmp_path / "daflow_eval/results.json").read_text())
    (clean,) = results["degradation"]
    assert (clean["recipe"], clean["level"]) == ("clean", 0)
    assert clean["epe"]["per_image"] == pytest.approx(((1 + 3) / 2 + 8) / 2)  # over data sets
    pixels = np.array([6000, 12000, 12000])  # one set left out, half of the first pair invalid
    assert clean["epe"]["per_pixel"] == pytest.approx((pixels * [1, 3, 8]).sum() / pixels.sum())
    assert clean["out1"] == pytest.approx(((0 + 1) / 2 + 1) / 2)  # above, not from, 1 px
    assert clean["out3"] == clean["out5"] == clean["fl_all"] == pytest.approx(0.5)
    expected = {"pairs": 1, "epe": 100, "out1": 1, "out3": 1, "out5": 1, "fl_all": 1}
    assert {key: clean["datasets"]["aside"][key] for key in expected} == pytest.approx(expected)
    speeds = {"s0_10": pytest.approx(clean["epe"]["per_pixel"]), "s10_40": None, "s40": None}
    assert clean["epe_by_speed"] == speeds
    assert clean["epe_occluded"] == pytest.approx(1) and clean["epe_visible"] == pytest.approx(1)
    alpha = clean["datasets"]["alpha"]["over_pairs"]
    assert alpha == {"epe": {"mean": 2, "median": 2}, "epe_visible": {"mean": 1, "median": 1}}
    assert clean["over_pairs"]["epe"] == {"mean": 5, "median": 5}
    assert clean["over_pairs"]["epe_visible"] == {"mean": 1, "median": 1}, "one pair has a mask"
    assert clean["left_out_of_averages"] == ["aside"]
    assert results["data"]["pairs"] == 4 and results["data"]["pixels_valid"] == 42000
    assert results["environment"]["daflow"] and results["failures"] == []


def test_the_truth_as_prediction_scores_zero(daflow, pairs, tmp_path):
    for file in pairs.rglob("flow.flo"):
        flow, _ = flow_files.read_flow(file)
        flow_files.write_flow(tmp_path / "stored" / f"{file.parent.relative_to(pairs)}.npy", flow)
    code, out, _ = daflow("eval", pairs, "--predictions", "stored", "--json")
    assert code == 0 and json.loads(out)["degradation"][0]["epe"]["per_image"] == 0


def test_models_and_baselines_see_the_same_degraded_frames(daflow, pairs, model, tmp_path):
    code, out, _ = daflow(
        *("eval", pairs, "--model", model, "--baseline", "dis", "--degrade", "noise:2"),
        *("--limit", 2, "--bucket", 128),
    )
    assert code == 0 and "### clean" in out and "### noise:2" in out and "| dis |" in out
    assert (tmp_path / "daflow_eval/table.md").read_text() in out
    lines = (tmp_path / "daflow_eval/per_pair.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 2 * 2 * 2 and rows[0]["name"] == "alpha/p0"
    assert len({row["seed"] for row in rows}) == 2, "one seed a pair"
    results = json.loads((tmp_path / "daflow_eval/results.json").read_text())
    assert results["model"]["name"] == "tiny" and results["model"]["iters"] == tiny.ITERS
    assert results["others"][0]["model"]["name"] == "dis"
    assert results["speed"]["pairs_per_s"] > 0
    assert len(list((tmp_path / "daflow_eval/worst").glob("*.png"))) == 3


def test_excluded_data_sets_are_measured_but_count_in_no_average(daflow, pairs):
    words = ("eval", pairs, "--baseline", "zero,dis", "--json", "--worst", 0)
    code, out, _ = daflow(*words, "--exclude", "beta")
    (clean,) = json.loads(out)["degradation"]
    assert code == 0 and clean["epe"]["per_image"] == pytest.approx((1 + 3) / 2)
    assert clean["left_out_of_averages"] == ["aside", "beta"]
    assert clean["datasets"]["beta"]["epe"] == pytest.approx(8)


def test_failed_thresholds_exit_4(daflow, pairs):
    words = ("eval", pairs, "--baseline", "zero,dis")
    code, _, err = daflow(*words, "--max-epe", 4.9)
    assert code == 4 and "clean: EPE of zero is 5.000, above 4.9." in err
    assert daflow(*words, "--max-epe", 5.1)[0] == 0
    code, _, err = daflow(*words, "--min-epe-drop", 0.5)
    assert code == 4 and "threshold failed: clean: zero is " in err


def test_one_damaged_pair_is_listed_and_exits_5(daflow, pairs):
    (pairs / "beta/p0/flow.flo").write_bytes(b"PIEH")
    code, out, err = daflow("eval", pairs, "--baseline", "zero", "--json")
    assert code == 5 and "beta/p0/flow.flo" in err
    assert json.loads(out)["failures"][0]["pair"] == "beta/p0"


def test_a_pair_without_a_valid_pixel_is_listed_and_exits_5(daflow, pairs):
    image.write_image(pairs / "beta/p0/valid.png", np.zeros((100, 120), np.uint8))
    code, out, err = daflow("eval", pairs, "--baseline", "zero", "--max-epe", 9, "--json")
    assert code == 5 and "beta/p0: no pixel has a valid true flow." in err
    results = json.loads(out)
    assert [failure["pair"] for failure in results["failures"]] == ["beta/p0"]
    assert results["data"]["pairs"] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--baseline", "diss"), "is unknown. Did you mean dis?"),
        (("--degrade", "h265:3"), "unknown recipe 'h265'. Did you mean h264?"),
        (("--degrade", "h264:9"), "--degrade h264:9: 9.0 is not in 1..5."),
        (("--exclude", "gama"), "exclude gama: is not a data set of these pairs. Known: alpha,"),
        (("--degrade", "h264:x"), "--degrade h264:x: 'x' is not a severity."),
        (("--predictions", "gone"), "gone: is not a folder."),
        (("--baseline", "zero", "--min-epe-drop", "0.1"), "--min-epe-drop: needs a second method."),
    ],
)
def test_bad_usage_is_one_line(daflow, pairs, words, message):
    code, _, err = daflow("eval", pairs, *words)
    assert (code, err.count("\n")) == (2, 1) and message in err
