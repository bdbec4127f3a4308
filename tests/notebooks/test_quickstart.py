"""The notebook for newcomers: it runs from top to bottom, and its first cell harms nobody."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks/quickstart.ipynb"


def cells(kind="code"):
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def first_cell(monkeypatch, tmp_path, installed, source=None):
    """Returns the commands that the first cell runs in `tmp_path/notebooks`."""
    commands = []
    folder = tmp_path / "notebooks"
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    spec = object() if installed else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    monkeypatch.setattr("shutil.which", lambda name: "/bin/nvidia-smi")
    if source:
        monkeypatch.setenv("DAFLOW_SOURCE", source)
    exec("".join(cells()[0]["source"]), {})
    return commands


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    pytest.importorskip("nbmake", reason="needs daflow-jax[notebook]")
    copy = tmp_path / "quickstart.ipynb"
    copy.write_bytes(NOTEBOOK.read_bytes())
    command = ["-m", "pytest", "--nbmake", "--nbmake-timeout=300", "-q", "-c", os.devnull]
    done = subprocess.run(
        [sys.executable, *command, "--rootdir", tmp_path, "-p", "no:cacheprovider", copy],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_nothing_that_a_run_leaves_is_stored():
    assert len(NOTEBOOK.read_bytes()) < 20_000
    for cell in cells():
        assert cell["outputs"] == [] and cell["execution_count"] is None


def test_the_first_cell_installs_only_what_is_missing(monkeypatch, tmp_path):
    assert first_cell(monkeypatch, tmp_path, installed=True) == []
    with pytest.raises(SystemExit, match="Set SOURCE"):
        first_cell(monkeypatch, tmp_path, installed=False)
    (own,) = first_cell(monkeypatch, tmp_path, False, "git+https://example.org/daflow-jax")
    assert own[0] == sys.executable and own[1:4] == ["-m", "pip", "install"]
    assert own[-1] == "daflow-jax[cuda12] @ git+https://example.org/daflow-jax"
    (tmp_path / "daflow_jax").mkdir()
    (beside,) = first_cell(monkeypatch, tmp_path, installed=False)
    assert beside[-1] == f"{tmp_path}[cuda12]"
