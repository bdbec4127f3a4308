"""The driver of the experiments with features: turns, resuming, gates, refusals, tables."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from daflow_jax import models, pretrained
from studies.features import __main__ as features
from studies.features import arms, report, start, training
from tests import tiny

SMALL = ("--steps", "4", "--slice", "0.001", "--size", "128x128", "--iters", "1")


@pytest.fixture(scope="module")
def raft(tmp_path_factory):
    return str(tiny.save(tmp_path_factory.mktemp("features") / "raft"))


def _train(out, raft, *words):
    return features.main(["train", str(out), "--raft", raft, *SMALL, *words])


def _small(name: str, **changes) -> arms.Arm:
    arm = arms.ARMS[name]
    second = {**(arm.second or {}), "channels": 8, "branch": 8, **changes}
    return dataclasses.replace(arm, second=second)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, raft):
    """Returns a folder of both arms of E0, stopped after their first turns and trained on."""
    out, patch = tmp_path_factory.mktemp("features") / "out", pytest.MonkeyPatch()
    patch.setitem(arms.ARMS, "windows", _small("windows"))
    patch.setattr(start, "CLIPS", 2)
    turn, turns = training.Runner.turn, []

    def stopped(self):
        turn(self)
        turns.append(self.folder.name)
        if len(turns) == 2:
            raise KeyboardInterrupt

    patch.setattr(training.Runner, "turn", stopped)
    with pytest.raises(KeyboardInterrupt):
        _train(out, raft)
    patch.setattr(training.Runner, "turn", turn)
    patch.setattr(training, "EVERY", 1)
    assert turns == ["raft-star-0", "windows-0"] and not list(out.glob("arms/*/done"))
    assert _train(out, raft) == 0
    yield out
    patch.undo()


@pytest.mark.slow
def test_arms_learn_in_turns_and_go_on_where_they_were_stopped(trained, capsys):
    for name in ("raft-star-0", "windows-0"):
        folder = trained / "arms" / name
        assert json.loads((folder / "done").read_text())["steps"] == 4
        steps = [json.loads(x)["step"] for x in (folder / "log.jsonl").read_text().splitlines()]
        assert steps[-1] == 4 and len(steps) < 4, "the rest was before it was stopped"
    found = pretrained.load(trained / "arms/windows-0/export")
    begun = pretrained.load(trained / "start/windows")
    assert found.config.windows == (20, 40) and begun.meta["training"]["kept"][0] > 0.5
    old, new = (x.variables["params"] for x in (begun, found))
    assert np.any(new["flow"]["update"]["second"]["conv2"]["kernel"])
    assert not np.any(old["flow"]["update"]["second"]["conv2"]["kernel"])
    assert np.any(np.asarray(old["project"]["kernel"]) != new["project"]["kernel"])
    gram = np.asarray(old["project"]["kernel"]).T @ np.asarray(old["project"]["kernel"])
    np.testing.assert_allclose(gram, np.eye(8), atol=1e-5)


@pytest.mark.slow
def test_errors_moving_tokens_and_foreign_descriptors_are_measured_once(trained, capsys):
    words = ["eval", str(trained), "--generated", "2", "--size", "128x128", "--severities", "0"]
    assert features.main(words) == 0
    file = trained / "eval/generated-clean/windows-0.json"
    rows = json.loads(file.read_text())["rows"]
    assert len(rows) == 2
    assert all(0 <= row["found"] <= 1 and row["epe"] > 0 for row in rows)
    assert all(row["epe_exchanged"] != row["epe"] for row in rows)
    control = json.loads((file.parent / "raft-star-0.json").read_text())["rows"]
    assert all(row["epe_exchanged"] is None for row in control)
    before = file.stat().st_mtime_ns
    assert features.main(words) == 0 and file.stat().st_mtime_ns == before
    words[3] = "3"
    assert features.main(words) == 2
    assert "has samples 2, now it is 3" in capsys.readouterr().err
    assert features.main(["report", str(trained), "--docs", str(trained / "page.md")]) == 0
    table = (trained / "page.md").read_text()
    assert "| windows | 1 | 4 |" in table and "| published |" in table


def test_other_settings_and_missing_parts_are_refused_and_leave_nothing(
    raft, tmp_path, capsys, monkeypatch
):
    training.check_folder(tmp_path / "old", {"seconds": 0, "steps": 4, "batch": 1})
    for tap, out, words, said in (
        ("1", "old", (), "holds no finished arm"),
        ("17", "a", ("--arms", "trunk"), "tap '17': a rrdb network has no such tap. Did you mean"),
        ("1", "a", ("--arms", "trunk"), "needs the weights of its trunk"),
        ("1", "a", ("--trunk", "rrdb-x4pls"), "Did you mean rrdb-x4plus"),
        ("1", "old", (), "was made with batch 1, now it is 2"),
    ):
        monkeypatch.setitem(arms.ARMS, "trunk", _small("trunk", trunk="rrdb-nano", taps=(tap,)))
        if "finished" in said:
            code = features.main(["eval", str(tmp_path / out), "--generated", "1"])
        else:
            code = _train(tmp_path / out, raft, "--batch", "2", *words)
        error = capsys.readouterr().err
        assert code == 2 and said in error and error.count("\n") == 1
    assert not (tmp_path / "a").exists() and not (tmp_path / "old/arms").exists()
    with pytest.raises(SystemExit):
        _train(tmp_path / "a", raft, "--arms", "window")
    assert "Did you mean windows" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["missing", "extra"])
def test_a_trunk_with_missing_or_extra_arrays_is_refused(name, raft, tmp_path, capsys, monkeypatch):
    arm = _small("trunk", trunk="rrdb-nano", taps=("1",))
    monkeypatch.setitem(arms.ARMS, "trunk", arm)
    config = models.preset("rrdb-nano")
    folder = tiny.save_restorer(tmp_path / "trunk", config)
    flat = pretrained.flatten(pretrained.load(folder).variables)
    kept = dict(list(flat.items())[1:]) if name == "missing" else {**flat, "params/x": np.ones(2)}
    from flax import traverse_util

    pretrained.save(folder, config, traverse_util.unflatten_dict(kept, sep="/"), name="trunk")
    out = tmp_path / "out"
    assert _train(out, raft, "--arms", "trunk", "--trunk", str(folder)) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not out.exists()


def test_an_arm_behind_a_shut_gate_is_not_trained_and_that_is_written_down(
    raft, tmp_path, capsys, monkeypatch
):
    arm = dataclasses.replace(_small("windows"), gate=arms.Gate("trunk", "windows", 0.02))
    monkeypatch.setitem(arms.ARMS, "windows-40", arm)
    assert _train(tmp_path, raft, "--arms", "windows-40") == 2
    assert "its gate asks for trunk and windows" in capsys.readouterr().err
    folder = tmp_path / "eval/generated-combined-3"
    folder.mkdir(parents=True)
    for name, epe in (("windows", 2.0), ("trunk", 1.98)):
        text = json.dumps({"rows": [{"dataset": "generated", "epe": epe}]})
        (folder / f"{name}-0.json").write_text(text)
    assert _train(tmp_path, raft, "--arms", "windows-40") == 0
    assert "its gate is shut: trunk gained 1.0%" in capsys.readouterr().out
    (line,) = map(json.loads, (tmp_path / "stopped.jsonl").read_text().splitlines())
    assert line["arm"] == "windows-40" and line["gained"] == pytest.approx(0.01)
    assert not (tmp_path / "arms").exists()
    assert report.gained(tmp_path, arms.Gate("windows", "windows", 0)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lifted", "diffused", "framewise", "flow-only", "third", "trunk"])
def test_every_arm_takes_steps(name, raft, tmp_path, monkeypatch):
    changes: dict[str, Any] = {}
    lift = (arms.ARMS[name].second or {}).get("lift")
    if lift:
        changes = {"lift": {**lift, "depth": 1, "width": 32, "heads": 2}}
    words = ["--arms", name]
    if name == "trunk":
        changes = dict(trunk="rrdb-nano", taps=("0", "1"))
        words += ["--trunk", str(tiny.save_restorer(tmp_path / "t", models.preset("rrdb-nano")))]
    monkeypatch.setitem(arms.ARMS, name, _small(name, **changes))
    monkeypatch.setattr(training, "EVERY", 1)
    monkeypatch.setattr(start, "CLIPS", 2)
    assert _train(tmp_path / "out", raft, *words) == 0
    lines = (tmp_path / f"out/arms/{name}-0/log.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert all(np.isfinite(list(line.values())).all() for line in found)
    losses = {key for line in found for key in line}
    assert ("restore" in losses) == (arms.ARMS[name].restore > 0)
    assert ("match" in losses) == (arms.ARMS[name].match > 0)
