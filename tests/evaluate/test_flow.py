"""`evaluate.run`: methods of every form, data sets left aside, third frames, damaged pairs."""

import ast
import json
import subprocess
import sys
import textwrap
import types

import numpy as np
import pytest

from daflow_jax import errors, evaluate
from daflow_jax.evaluate import baselines, degradations, methods
from daflow_jax.io import image
from tests import tiny
from tests.evaluate.on_disk import write_pair


@pytest.fixture
def pairs(tmp_path):
    for dataset, lengths in {"alpha": (1.0, 3.0), "beta": (8.0,)}.items():
        for index, length in enumerate(lengths):
            write_pair(tmp_path / f"pairs/{dataset}/p{index}", -length, seed=index)
    return tmp_path / "pairs"


def test_the_example_of_the_documentation_runs(pairs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = evaluate.__doc__.partition("made of.\n")[2].rpartition("\nMethods are")[0]
    code = textwrap.dedent(text)
    assert 8 <= sum(bool(line.strip()) for line in code.splitlines()) <= 15
    exec(compile(ast.parse(code), "example", "exec"), {"np": np})
    shown = capsys.readouterr().out
    assert "| mine | 5.00 |" in shown and "### h264:3" in shown
    assert {"results.json", "per_pair.jsonl", "table.md", "epe.png"} == {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert image.read_image(tmp_path / "out/epe.png").std() > 0


def test_importing_the_room_starts_no_jax():
    code = (
        "import sys, daflow_jax.evaluate; sys.exit('jax' in sys.modules or 'flax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_methods_are_names_models_functions_and_methods(pairs):
    model = tiny.model()
    given = ["zero", model, baselines.zero, methods.of_baseline("zero")]
    results = evaluate.run(pairs, given, limit=1)
    assert [method.name for method in results.methods] == ["zero", "tiny", "zero#2", "zero#3"]
    assert results.epe("zero") == results.epe("zero#2") == results.epe("zero#3") == 1.0
    assert results.methods[1].record["iters"] == model.iters
    again = evaluate.run(pairs, given[-1], limit=1)
    assert len(again.methods[0].seconds) == 1, "times of another run do not count"
    with pytest.raises(errors.UserError, match=r"method flat: returned \(1, 2\) for frames"):
        evaluate.run(pairs, {"flat": lambda frames: np.zeros((1, 2))}, limit=1)
    with pytest.raises(errors.UserError, match="method 3: is not one"):
        evaluate.run(pairs, [3], limit=1)


def test_a_data_set_says_itself_that_averages_leave_it_out(pairs):
    write_pair(pairs / "aside/p0", -50.0, in_averages=False)
    write_pair(pairs / "tiny/p0", -5.0)
    results = evaluate.run(pairs, "zero")
    assert results.scores["clean"]["zero"]["left_out_of_averages"] == ["aside"]
    assert results.epe("zero") == pytest.approx((2 + 8 + 5) / 3), "a name says nothing"
    assert "Left out of averages: aside." in results.table()
    less = evaluate.run(pairs, "zero", exclude=("tiny",))
    assert less.epe("zero") == pytest.approx((2 + 8) / 2)
    assert "Left out of averages: aside, tiny." in less.table()
    write_pair(pairs / "aside/p1", -50.0, in_averages="no")
    with pytest.raises(errors.UserError, match="\"in_averages\" is 'no'. Write true or false"):
        evaluate.run(pairs, "zero")


def test_damaged_pairs_are_raised_or_told(pairs):
    (pairs / "beta/p0/flow.flo").write_bytes(b"PIEH")
    with pytest.raises(errors.UserError, match="beta/p0/flow.flo"):
        evaluate.run(pairs, "zero")
    heard, steps = [], []
    results = evaluate.run(
        pairs,
        "zero",
        progress=lambda *counts: steps.append(counts),
        on_failure=lambda name, error: heard.append(name),
    )
    assert heard == ["beta/p0"] and steps == [(1, 3), (2, 3), (3, 3)]
    assert [failure["pair"] for failure in results.failures] == heard
    assert results.epe("zero") == pytest.approx(2)
    entries = [pair for pair in evaluate.read_pairs(pairs) if pair.dataset == "beta"]
    with pytest.raises(errors.UserError, match="No pair was usable"):
        evaluate.run(entries, "zero", on_failure=lambda name, error: heard.append(name))
    assert heard == ["beta/p0"], "one error says it once"


def test_saved_files_keep_their_form(pairs, tmp_path):
    results = evaluate.run(pairs, ("zero", "dis"), ("clean", "calibration:3"))
    made = results.save(tmp_path / "out", command="a command")
    assert made == json.loads((tmp_path / "out/results.json").read_text())
    heads = [(entry["recipe"], entry["level"]) for entry in made["degradation"]]
    assert heads == [("clean", 0), ("calibration", 3)], "what was asked for"
    assert made["command"] == "a command" and made["data"]["name"] == str(pairs)
    rows = [json.loads(line) for line in (tmp_path / "out/per_pair.jsonl").open()]
    assert len(rows) == 3 * 2 * 2 and not {"sums", "sparsification"} & set(rows[0])
    same = evaluate.run(pairs, ("zero", "dis"), ("combined:3",))
    assert same.epe("dis", "combined:3") == results.epe("dis", "calibration:3")


def test_models_of_three_frames_get_the_real_third_one(tmp_path):
    root = tmp_path / "a"
    write_pair(root / "after", 1.0, (0, 1, 2, 3), seed=1)
    write_pair(root / "before", 1.0, (0, 1, 2), seed=2)
    write_pair(root / "neither", 1.0, seed=3)
    seen = []

    class Model:
        name, meta, num_parameters, iters, precision, seed = "three", {}, 0, 1, "fp32", 0
        scales = ()
        config = types.SimpleNamespace(frames=3, uncertainty=False)
        programs = types.SimpleNamespace(compile_seconds=0.0, peak_bytes=0)

        def __call__(self, frames, **options):
            seen.append(frames)
            flow = np.zeros((len(frames) - 1, 100, 120, 2), np.float32)
            return flow + 2 * np.arange(len(frames) - 1, dtype=np.float32)[:, None, None, None]

    noise = degradations.parse("noise:3")
    chosen = [methods.of_model(Model()), "zero"]
    results = evaluate.run(tmp_path, chosen, ("clean", noise))
    record = results.record()
    assert record["pairs_with_third_frame"] == 2
    assert record["others"][0]["pairs_with_third_frame"] == 0
    assert [len(frames) for frames in seen] == [3, 3, 3, 3, 2, 2]
    np.testing.assert_array_equal(seen[0], tiny.frames(4, seed=1)[1:])
    np.testing.assert_array_equal(seen[2], tiny.frames(3, seed=2))
    entries = evaluate.read_pairs(tmp_path)
    for pair, place, frames in zip(entries, (0, 1), seen[1:4:2], strict=False):
        clean = pair.load()
        alone = noise.apply(np.stack(clean[:2]), degradations.seed_of(pair, 0))
        np.testing.assert_array_equal(frames[place : place + 2], alone)
    own = [r for r in results.rows if (r["method"], r["degradation"]) == ("three", "clean")]
    assert [row["epe"] for row in own] == pytest.approx([1, 5**0.5, 1]), "of the pair itself"


def test_the_worst_pairs_are_pictures_and_count_in_no_speed(pairs):
    results = evaluate.run(pairs, "zero")
    first, second = results.worst(2)
    assert (first.name, first.epe, second.name) == ("beta/p0", 8.0, "alpha/p1")
    assert first.picture.dtype == np.uint8 and first.picture.shape[0] == 2 * 100 + 2
    assert len(results.methods[0].seconds) == 3


def test_plots_name_an_unknown_metric(pairs):
    results = evaluate.run(pairs, "zero", limit=1)
    assert results.plot("out1").axes[0].get_ylabel() == "share of errors above 1 px"
    with pytest.raises(errors.UserError, match="metric epee: is unknown. Did you mean epe"):
        results.plot("epee")
