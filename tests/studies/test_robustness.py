"""The study of corruptions from generated clips to the page, with methods that need no weights."""

import json
import re
import shutil

import numpy as np
import pytest

from daflow_jax.datasets import pairs_folder as pairs
from daflow_jax.evaluate import baselines, degradations
from daflow_jax.io import image
from studies import plots, robustness, robustness_page, robustness_results

TYPES = ("gaussian_noise", "combined")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Points DAFLOW_CACHE at a folder of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAFLOW_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Returns the folder of a finished run."""
    folder = tmp_path_factory.mktemp("corruptions")
    assert run(folder) == 0
    return folder


def run(out, *more, baseline="zero,dis"):
    words = ["run", str(out), "--generated", "2", "--size", "128x128", "--baseline", baseline]
    return robustness.main([*words, "--types", ",".join(TYPES), "--severities", "3", *more])


def results(out):
    return {
        "/".join(file.parts[-2:]): json.loads(file.read_text())
        for file in (out / "results/generated").glob("*/*.json")
    }


def test_a_condition_has_a_file_with_the_errors_of_the_frames_that_eval_shows(out):
    found = results(out)
    kinds = ("clean-0", *(f"{kind}-3" for kind in TYPES))
    assert set(found) == {f"{m}/{kind}.json" for m in ("zero", "dis") for kind in kinds}
    (folder,) = (out / "generated").iterdir()
    errors = []
    for pair in pairs.read_pairs(folder):
        truth = pair.load()
        frames = np.stack([truth.frame1, truth.frame2])
        seed = degradations.seed_of(pair, 0)
        frames = degradations.Degradation("combined", 3).apply(frames, seed)
        error = np.linalg.norm(baselines.dis(frames) - truth.flow, axis=-1)
        errors.append((error.mean(), error[~truth.occluded].mean()))
    scores = found["dis/combined-3.json"]["scores"]
    whole, visible = np.transpose(errors)
    assert scores["over_pairs"]["epe"]["median"] == pytest.approx(np.median(whole), rel=1e-4)
    assert scores["over_pairs"]["epe_visible"]["mean"] == pytest.approx(visible.mean(), rel=1e-4)


def test_finished_conditions_stay_and_others_are_computed(out, capsys):
    before = {file: file.read_bytes() for file in out.rglob("*.json")}
    (out / "results/generated/zero/clean-0.json").unlink()
    assert run(out, "--model", "broken=no-such-folder", baseline="zero,dis,farneback") == 5
    err = capsys.readouterr().err
    assert "failed: broken=no-such-folder: " in err and err.count(" EPE ") == 3 + 1
    stale = out / "results/generated/zero/clean-0.json"
    assert all(file.read_bytes() == text for file, text in before.items() if file != stale)


def test_methods_on_other_frames_are_computed_again_and_never_compared(out, tmp_path, capsys):
    shutil.copytree(out, tmp_path / "corruptions")
    capsys.readouterr()
    assert run(tmp_path / "corruptions", "--seed", "1", baseline="zero") == 0
    assert capsys.readouterr().err.count(" EPE ") == 3
    with pytest.raises(SystemExit) as exit:
        robustness.main(
            ["page", str(tmp_path / "corruptions"), "--docs", str(tmp_path / "page.md")]
        )
    assert exit.value.code == 2 and "different pairs, seeds or forms" in capsys.readouterr().err


def test_one_failing_condition_loses_no_other(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(baselines.BASELINES, "dis", lambda frames: 1 / 0)
    assert run(tmp_path) == 5
    assert len(results(tmp_path)) == 3
    assert (
        "failed: results/generated/dis/clean-0.json: ZeroDivisionError" in capsys.readouterr().err
    )


def test_the_page_shows_what_the_results_say_and_repeats_to_the_byte(out):
    page = out / "docs/corruptions.md"
    assert robustness.main(["page", str(out), "--docs", str(page)]) == 0
    text, files = page.read_text(), {f: f.read_bytes() for f in page.parent.iterdir()}
    assert {f.name for f in files} == {
        *(
            "corruptions.md",
            "corruptions.json",
            "corruptions-generated.png",
            "corruptions-generated.jpg",
        )
    }
    epe = results(out)["dis/combined-3.json"]["scores"]["over_pairs"]["epe"]["mean"]
    (row,) = (line for line in text.splitlines() if line.startswith("| combined |"))
    assert f"{epe:.2f}" in row and "![EPE against severity](corruptions-generated.png)" in text
    assert image.read_image(page.parent / "corruptions-generated.jpg").shape[1] > 300
    assert robustness.main(["page", str(page.with_suffix(".json")), "--docs", str(page)]) == 0
    assert {f: f.read_bytes() for f in page.parent.iterdir()} == files


def test_the_page_draws_sparsification_of_methods_that_predict_their_uncertainty(out, tmp_path):
    stored = robustness_results.read(out)
    block = {"ause": 0.1, "ause_random": 0.4, "removed": [0, 0.5, 0.9]}
    block |= {"by_uncertainty": [1, 0.6, 0.4], "by_error": [1, 0.5, 0.1]}
    (cell,) = (
        cell for cell in stored["cells"] if (cell["method"], cell["type"]) == ("dis", TYPES[1])
    )
    cell["sparsification"] = block
    (tmp_path / "corruptions.json").write_text(json.dumps(stored))
    assert robustness_page.write(tmp_path / "corruptions.json", tmp_path / "page.md") == 0
    assert "| generated, combined:3 | dis | 0.1 | 0.4 |" in (tmp_path / "page.md").read_text()
    assert "dis, oracle" in (tmp_path / "page-sparsification.svg").read_text()


def test_methods_keep_their_colour_whoever_stands_beside_them():
    few, many = plots.colours(["a", "dis"]), plots.colours(["zero", "dis", "a", "b"])
    assert few["a"] == many["a"] and few["dis"] == many["dis"]
    assert len(set(many.values())) == 4


def test_a_run_has_a_page_to_look_at(out, tmp_path):
    assert robustness.main(["page", str(out), "--report", str(tmp_path)]) == 0
    text = (tmp_path / "generated.html").read_text()
    embedded = re.search(r'id="results">(.*?)</script>', text).group(1)
    record, found = json.loads(embedded), results(out)
    first, *_, last = record["methods"]
    assert (first, last, record["data"]["pairs"]) == ("dis", "zero", 2)
    own = record["conditions"]["combined:3"]["dis"]
    assert own == found["dis/combined-3.json"]["scores"]
    assert f"{own['epe']['per_image']:.2f}" in text and text.count('<article class="example"') == 2
    assert 'data-key="flow:zero"' in text and 'data-key="error:zero"' not in text
