"""What the field reports beside EPE: intervals, R, masks, third frames, submissions."""

import json
import types

import numpy as np
import pytest

from daflow_jax.cli import degradations, evaluate, intervals, measure, methods
from daflow_jax.datasets import pairs_folder as pairs
from daflow_jax.datasets import read_pairs
from daflow_jax.evaluate import baselines
from daflow_jax.io import flow as flow_files
from daflow_jax.io import image
from tests import tiny, trees


def write_pair(folder, flow_x, frames=(1, 2), seed=0):
    for number, frame in zip(frames, tiny.frames(len(frames), seed=seed), strict=True):
        image.write_image(folder / f"frame{number}.png", frame)
    flow = np.zeros((100, 120, 2), np.float32)
    flow[..., 0] = flow_x
    flow_files.write_flow(folder / "flow.flo", flow)
    (folder / "meta.json").write_text(json.dumps({"dataset": folder.parent.name}))


def row(dataset, clip, epe):
    return {"dataset": dataset, "clip": clip, "epe": epe}


def test_intervals_of_two_clips_are_their_values():
    rows = [row("a", "p", 1.0), row("a", "q", 3.0), row("b", "r", 8.0)]
    overall, each = intervals.bootstrap(rows, ("epe", "r_epe"), ("a", "b"), seed=0)
    assert each["a"]["epe"] == [1, 3] and each["b"]["epe"] is None, "one clip has no spread"
    assert overall == {"epe": [4.5, 5.5], "r_epe": None}
    assert intervals.bootstrap(rows[2:], ("epe",), ("b",), seed=0)[0] == {"epe": None}


def test_intervals_have_the_width_of_the_normal_law_over_clips_not_pairs():
    values = np.random.default_rng(0).normal(size=64)
    rows = [row("a", f"clip{n}", value) for n, value in enumerate(values) for _ in range(4)]
    low, high = intervals.bootstrap(rows, ("epe",), ("a",), seed=1)[0]["epe"]
    half = 1.96 * values.std() / np.sqrt(len(values))
    np.testing.assert_allclose([low, high], values.mean() + np.array([-half, half]), atol=0.04)
    assert intervals.bootstrap(rows, ("epe",), ("a",), seed=1)[0]["epe"] == [low, high]


def test_paired_differences_are_surer_than_either_method():
    hard = np.random.default_rng(0).exponential(10, size=30)
    rows = [row("a", f"c{n}", epe) for n, epe in enumerate(hard)]
    worse = [{**r, "epe": r["epe"] + 0.5 + 0.1 * (n % 2)} for n, r in enumerate(rows)]
    toy = row("tiny", "t", 0.0)
    found = measure.difference([*worse, {**toy, "epe": 99.0}], [*rows, toy], seed=0)
    low, high = found["interval"]
    assert found["mean"] == pytest.approx(0.55) and 0.5 < low < 0.55 < high < 0.6


def test_doubted_pixels_count_everywhere_but_in_reliable(tmp_path):
    write_pair(tmp_path / "sintel/p", 2.0)
    occluded, doubted = np.zeros((2, 100, 120), np.uint8)
    occluded[:20], doubted[:, :30] = 255, 255
    image.write_image(tmp_path / "sintel/p/occ.png", occluded)
    image.write_image(tmp_path / "sintel/p/invalid.png", doubted)
    (pair,) = pairs.read_pairs(tmp_path)
    truth = pair.load()
    flow = np.where(doubted[..., None] > 0, 0, truth.flow)
    sums = measure.pair_sums(flow, *truth[2:])
    assert sums["epe"] == (2 * 3000, 12000)
    assert sums["epe_visible"] == (2 * 2400, 9600) and sums["epe_reliable"] == (0, 80 * 90)


def test_r_is_the_distance_between_clean_and_degraded_estimates(daflow, tmp_path):
    write_pair(tmp_path / "pairs/a/p", -1.0)
    words = ("eval", "pairs", "--baseline", "dis,zero", "--degrade", "noise:4,blur:4", "--json")
    code, out, _ = daflow(*words)
    assert code == 0
    results = json.loads(out)
    (pair,) = pairs.read_pairs(tmp_path / "pairs")
    frames, dis = tiny.frames(2), baselines.get("dis")
    expected = []
    for degradation in degradations.parse("noise:4,blur:4", clean=False):
        bad = degradation.apply(frames, degradations.pair_seed(pair, 0))
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


def test_models_of_three_frames_get_the_real_third_one(daflow, tmp_path, monkeypatch):
    root = tmp_path / "pairs/a"
    write_pair(root / "after", 1.0, (0, 1, 2, 3), seed=1)
    write_pair(root / "before", 1.0, (0, 1, 2), seed=2)
    write_pair(root / "neither", 1.0, seed=3)
    seen = []

    class Model:
        name, meta, num_parameters, iters, precision, seed = "three", {}, 0, 1, "fp32", 0
        scales = ()
        config = types.SimpleNamespace(frames=3, uncertainty=False)
        runner = types.SimpleNamespace(compile_seconds=0.0, peak_bytes=0)

        def __call__(self, frames, **settings):
            seen.append(np.stack(frames))
            flow = np.zeros((len(frames) - 1, 100, 120, 2), np.float32)
            flow += 2 * np.arange(len(frames) - 1)[:, None, None, None]
            return flow[0] if isinstance(frames, tuple) else flow

    chosen = [methods.of_model(Model(), None, None, None), methods.of_baseline("zero")]
    monkeypatch.setattr(evaluate, "_methods", lambda args, talk: chosen)
    words = ("--degrade", "noise:3", "--worst", 0, "--json")
    code, out, _ = daflow("eval", "pairs", *words)
    assert code == 0 and json.loads(out)["pairs_with_third_frame"] == 2
    assert json.loads(out)["others"][0]["pairs_with_third_frame"] == 0
    assert [len(frames) for frames in seen] == [3, 3, 3, 3, 2, 2]
    np.testing.assert_array_equal(seen[0], tiny.frames(4, seed=1)[1:])
    np.testing.assert_array_equal(seen[2], tiny.frames(3, seed=2))
    (noise,) = degradations.parse("noise:3", clean=False)
    for pair, place, frames in zip(pairs.read_pairs("pairs"), (0, 1), seen[1:4:2], strict=False):
        clean = pair.load()
        pair_alone = noise.apply(np.stack(clean[:2]), degradations.pair_seed(pair, 0))
        np.testing.assert_array_equal(frames[place : place + 2], pair_alone)
    lines = (tmp_path / "daflow_eval/per_pair.jsonl").read_text().splitlines()
    first = [json.loads(line)["epe"] for line in lines if '"three"' in line and '"clean"' in line]
    assert first == pytest.approx([1, 5**0.5, 1]), "the flow of the pair, not of its neighbour"


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
    np.testing.assert_array_equal(read["zero"][0], read["warm"][0])
    assert np.abs(read["zero"][1] - read["warm"][1]).max() > 1e-3, "the second starts elsewhere"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--submission", "kitti", "--degrade", "noise:2"), "--degrade: has no meaning where"),
        (("--submission", "kitti", "--layout", "sintel"), "Use kitti2015 or kitti2012."),
        (("--submission", "sintel"), "holds no clips of layout sintel"),
        (("--init", "warm"), "--init warm: pairs do not follow each other."),
    ],
)
def test_misuse_of_submissions_is_one_line(daflow, tmp_path, words, message):
    write_pair(tmp_path / "pairs/a/p", 1.0)
    code, _, err = daflow("eval", "pairs", *words)
    assert (code, err.count("\n")) == (2, 1) and message in err
