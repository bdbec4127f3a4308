"""python train.py as people run it: train, kill -9, resume, export; the losses are those of an
undisturbed run.

XLA's CPU threads add partial sums in the order in which they finish, so equal bits need one thread.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daflow_jax import pretrained
from tests import xla

ROOT = Path(__file__).parents[1]
TINY = (
    "--config=configs/raft/star.py",
    "--config.train.steps=8",
    "--config.train.batch_size=1",
    "--config.task.iters=2",
    "--config.model.widths=(8,8,16,16)",
    *(f"--config.model.{name}=16" for name in ("features", "hidden", "context")),
    "--config.data.scene.width=128",
    "--config.data.scene.num_textures=4",
    "--config.data.scene.texture_size=128",
    "--config.checkpoint.every=2",
    "--config.log.every=1",
    "--config.eval.batches=1",
    "--config.log.pictures_every=8",
    "--config.mesh.data=1",
)


def _start(workdir, cache, *flags) -> subprocess.Popen:
    env = dict(os.environ, JAX_PLATFORMS="cpu", JAX_COMPILATION_CACHE_DIR=str(cache))
    env |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "PYTHONPATH": str(ROOT)}
    env["XLA_FLAGS"] = f"{xla.QUICK} --xla_cpu_multi_thread_eigen=false"
    command = [sys.executable, "train.py", *TINY, f"--workdir={workdir}", *flags]
    return subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)


def _run(workdir, cache, *flags) -> tuple[int, str]:
    process = _start(workdir, cache, *flags)
    message = process.communicate(timeout=300)[1]
    return process.returncode, message


def _losses(workdir) -> list[float]:
    path = Path(workdir) / "metrics.jsonl"
    texts = path.read_text().splitlines() if path.exists() else []
    return [json.loads(text)["loss"] for text in texts if '"loss"' in text and text.endswith("}")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    code, message = _run(root / "plain", root / "cache")
    assert code == 0, message
    return root


def test_run_leaves_everything_promised(folders):
    run = folders / "plain"
    assert (run / "done").read_text() == "8\n" and len(_losses(run)) == 8
    names = ("config.json", "environment.json", "log.txt", "eval/step_000000008.json")
    assert all((run / name).is_file() for name in names)
    assert (run / "samples/step_000000008/synthetic_flow.png").is_file()
    assert list((run / "tensorboard").iterdir())
    for name in ("last", "best"):
        loaded = pretrained.load(run / "export" / name)
        assert loaded.meta["training"]["step"] == 8 and loaded.meta["defaults"] == {"iters": 2}


@pytest.mark.slow
def test_killed_run_resumes_with_identical_losses(folders):
    run = folders / "killed"
    process = _start(run, folders / "cache")
    deadline = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < deadline:
        if len(_losses(run)) >= 3 and (run / "checkpoints/000000002").exists():
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not (run / "done").exists()
    code, message = _run(run, folders / "cache")
    assert code == 0 and "resumed from step" in message, message
    assert _losses(run) == _losses(folders / "plain")
    exported = [
        (folders / name / "export/last/model.safetensors").read_bytes()
        for name in ("killed", "plain")
    ]
    assert exported[0] == exported[1]


@pytest.mark.parametrize(
    "flags, message",
    [
        (("--config.train.stepz=3",), "stepz"),
        (("--config.seed=9",), "seed: 3 -> 9"),
    ],
)
def test_wrong_flags_give_one_line_and_exit_2(folders, flags, message):
    code, text = _run(folders / "plain", folders / "cache", *flags)
    assert code == 2 and text.startswith("daflow: error: ") and message in text, text
    assert text.count("\n") == 1
