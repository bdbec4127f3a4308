"""daflow doctor: ready machines, missing parts, wrong numbers."""

import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

import pytest

from daflow_jax import cli
from daflow_jax.cli import doctor


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    test = {"device": "cpu:0", "first_call_s": 0.1, "gflops": 1.0, "correct": True}
    monkeypatch.setattr(doctor, "compute_test", lambda device: test)
    return test


def test_ready_machine_says_so(capsys):
    assert cli.main(["doctor", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "verdict" in said and said.strip().endswith("ready") and "results right" in said
    assert cli.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] and report["devices"] and report["cache"]["free_bytes"] > 0


def test_lists_are_those_of_pyproject():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    needed = {re.split("[<>=]", line)[0] for line in project["dependencies"]}
    assert set(doctor.BASE) == needed | {"jaxlib"}
    extras = {re.search(r"\[(\w+)\]", remedy)[1] for _, remedy in doctor.OPTIONAL.values()}
    assert extras <= set(project["optional-dependencies"])


def test_missing_parts_have_their_remedy(monkeypatch, capsys):
    version = importlib.metadata.version

    def without(name):
        if name == "safetensors":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    monkeypatch.setitem(doctor.OPTIONAL, "no_such_part", ("tests", "pip install no-such-part"))
    assert cli.main(["doctor", "--fix-hints"]) == 3
    hints = capsys.readouterr().out.splitlines()
    assert "pip install safetensors" in hints and "pip install no-such-part" in hints
    assert cli.main(["doctor"]) == 3
    said = capsys.readouterr().out
    assert "MISSING" in said and "missing (tests): pip install no-such-part" in said


def test_wrong_numbers_fail(quick, capsys):
    quick["correct"] = False
    assert cli.main(["doctor"]) == 3
    assert "WRONG" in capsys.readouterr().out


def test_compute_test_measures(monkeypatch):
    import jax

    monkeypatch.undo()
    found = doctor.compute_test(jax.devices("cpu")[0], seconds=0.05)
    assert found["correct"] and found["gflops"] > 0


def test_licences_and_unknown_device(capsys):
    assert cli.main(["doctor", "--licences"]) == 0
    assert "Apache-2.0" in capsys.readouterr().out
    assert cli.main(["doctor", "--device", "tpu"]) == 3
    assert "daflow: error: --device tpu: JAX sees only cpu" in capsys.readouterr().err
