"""`daflow table`: what several evaluations found, in the form of the DA-Flow paper."""

import json

import pytest

from daflow_jax import cli
from daflow_jax.evaluate import da_flow_scores


def scores(epe):
    return {"epe": epe, "out1": 0.5, "out3": 0.25, "out5": 0.125}


def results(folder, parts, model, recipe=("realbasicvsr", 0.0), others=()):
    """Writes results.json as `daflow eval` does; `parts`: {data set: EPE}."""
    recipe, level = recipe
    datasets = {name: scores(epe) for name, epe in parts.items()}
    entry = {"recipe": recipe, "level": level, "datasets": datasets}
    record = {"model": model, "degradation": [entry], "others": list(others)}
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(record))
    return str(folder)


def da_flow(step):
    return {"name": "da-flow", "sha256": "a", "denoise_steps": 10, "tap_step": step}


@pytest.fixture
def found(tmp_path):
    """Two steps of one model on two data sets, and a baseline beside them."""
    zero = {"model": {"name": "zero"}, "degradation": []}
    folders = []
    for step in (0, 9):
        sintel = {"sintel-clean": 1.0 + step, "sintel-final": 3.0 + step}
        folders.append(results(tmp_path / f"sintel{step}", sintel, da_flow(step)))
        folders.append(results(tmp_path / f"spring{step}", {"spring": 0.5}, da_flow(step)))
    entry = {"recipe": "realbasicvsr", "level": 0.0, "datasets": {"sintel-clean": scores(9.0)}}
    zero["degradation"] = [entry]
    raft = {"name": "raft", "sha256": "b"}
    folders.append(results(tmp_path / "raft", {"sintel-clean": 4.0}, raft, others=[zero]))
    return folders


def test_rows_are_means_over_renders_and_steps(found, capsys, tmp_path):
    out = tmp_path / "table.md"
    assert cli.main(["table", *found, "--over", "tap-step", "--published", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert out.read_text() == text
    lines = [line.split(" | ") for line in text.splitlines()]
    (mean,) = [line for line in lines if line[0] == "| da-flow, mean of 2 steps"]
    assert mean[1:6] == ["6.500", "50.00", "25.00", "12.50", "0.500"] and mean[9] == "-"
    assert any(line[0] == "| zero" and line[1] == "9.000" for line in lines)
    assert any(line[0] == "| DA-Flow (paper)" and line[1] == "6.912" for line in lines)
    (steps,) = [line for line in lines if line[0] == "| Sintel EPE" and len(line) == 3]
    assert steps[1:] == ["2.000", "11.000 |"]
    assert "Frames: realbasicvsr:0." in text


def test_what_the_paper_prints_agrees_with_itself():
    table_1, table_3 = da_flow_scores.of_methods()["DA-Flow"], da_flow_scores.of_steps()
    for name, own in table_1.items():
        for metric, value in own.items():
            mean = sum(table_3[name][metric]) / 10
            digits = 0.0051 if metric != "epe" else 0.00061  # of what was rounded before
            assert abs(mean - value) < digits or (name, metric) == ("spring", "out5")


@pytest.mark.parametrize(
    "case, said",
    [
        ("twice", "da-flow was measured twice on sintel-clean"),
        ("missing", r"not found"),
        ("steps", r"da-flow: was read at steps \[0, 9\] on Sintel|steps \[0, 9\] on sintel"),
        ("other", "holds no evaluation of flow"),
        ("degradation", "has no degradation 'h264:3'"),
    ],
)
def test_what_makes_no_table_is_one_line(case, said, found, capsys, tmp_path):
    import re

    words = {
        "twice": [found[0], found[0]],
        "missing": [str(tmp_path / "nothing")],
        "steps": [found[0], found[2], found[1]],
        "other": [str(tmp_path / "other.json")],
        "degradation": [found[0], "--degradation", "h264:3"],
    }[case]
    (tmp_path / "other.json").write_text('{"model": {}, "degradation": [{"psnr": 3}]}')
    assert cli.main(["table", *words, "--over", "tap-step"]) == 2
    error = capsys.readouterr().err
    assert re.search(said, error) and error.count("\n") == 1
