"""Closed, full and narrow streams; variables of JAX: whole commands in processes of their own."""

import os
import shutil
import subprocess
import sys

import pytest

from daflow_jax.io import image
from tests import tiny


def start(words, folder, before="", **variables):
    code = f"{before}\nfrom daflow_jax import cli\nraise SystemExit(cli.main({words!r}))"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        check=False,
    )


@pytest.fixture
def words(tmp_path, model):
    for index, frame in enumerate(tiny.frames(2, 64, 64)):
        image.write_image(tmp_path / "n\u00e4me\u2603" / f"{index}.png", frame)
    return ["flow", "n\u00e4me\u2603", "--model", model, "--formats", "flo"]


def test_closed_and_narrow_streams_do_not_matter(words, tmp_path):
    closed = "import os, sys; os.close(2); sys.stderr = None"
    done = start(words, tmp_path, closed, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert done.returncode == 0 and b"n\xe4me\\u2603/0.flo: 1 flows" in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_full_stdout_is_one_line(tmp_path):
    full = "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1)"
    done = start(["doctor", "--licences", "--json"], tmp_path, full)
    assert done.returncode == 3 and done.stderr.count(b"\n") == 1
    assert b"standard output: cannot be written (no space left on device)" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("JAX_PLATFORMS", "cuda", 3),
        ("JAX_NUMPY_DTYPE_PROMOTION", "strict", 2),
        ("JAX_NUMPY_RANK_PROMOTION", "raise", 2),
        ("JAX_ENABLE_X64", "maybe", 2),
    ],
)
def test_variables_that_stop_jax_are_named(tmp_path, variable, value, code):
    done = start(["doctor"], tmp_path, **{variable: value})
    assert done.returncode == code and done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(f"daflow: error: {variable}={value}: ".encode())


def test_networks_run_where_jit_is_disabled(words, tmp_path):
    done = start([*words, "--quiet"], tmp_path, JAX_DISABLE_JIT="1")
    assert (done.returncode, done.stderr) == (0, b"")


def test_quiet_means_errors_only(tmp_path, daflow, model, caplog):
    folder = shutil.copytree(model, tmp_path / "m")
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"config_sha256"', '"was_sha256"'))
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    words = ("flow", "cut.png", "cut.png", "--model", "m")
    assert daflow(*words)[0] == 2 and "no config_sha256" in caplog.text
    caplog.clear()
    assert daflow(*words, "--quiet")[0] == 2 and not caplog.records
