"""Runs of several processes on this machine, each with CPU devices of its own."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import xla

ROOT = Path(__file__).parents[2]
TOY = ("-m", "tests.train.child")


def start(command, workdir, count: int, devices: int, *flags, **variables) -> list:
    """Returns the started processes of one run of `command` (a list) with --workdir and `flags`."""
    port, started = free_port(), []
    env = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "XLA_FLAGS": f"{xla.QUICK} --xla_cpu_multi_thread_eigen=false",
        "PYTHONPATH": str(ROOT),
        **variables,
    }
    for index in range(count):
        place = [f"--coordinator=localhost:{port}", f"--processes={count}", f"--process={index}"]
        file = tempfile.TemporaryFile("w+")
        process = subprocess.Popen(
            [
                sys.executable,
                *command,
                f"--workdir={workdir}",
                *(place if count > 1 else ()),
                *flags,
            ],
            cwd=ROOT,
            env=env,
            stdout=file,
            stderr=file,
        )
        started.append((process, file))
    return started


def finish(started: list, timeout: float = 300) -> list[tuple[int, str]]:
    """Returns (exit code, what it said) of every process; none outlives the call."""
    out = []
    try:
        for process, _ in started:
            process.wait(timeout)
    finally:
        for process, file in started:
            process.kill()
            process.wait()
            file.seek(0)
            said = [line for line in file.read().splitlines(True) if not _of_gloo(line)]
            out.append((process.returncode, "".join(said)))
            file.close()
    return out


def _of_gloo(line: str) -> bool:
    """Whether JAX's transport between processes said it: "... peer ranks is : 7". Its threads write
    piece by piece, so that the number may stand on a line of its own."""
    return "peer rank" in line or line.strip().isdigit()


def run(command, workdir, count: int, devices: int, *flags, **variables) -> None:
    """Runs to the end; every process must succeed, and only process 0 may speak."""
    ended = finish(start(command, workdir, count, devices, *flags, **variables))
    assert [code for code, _ in ended] == [0] * count, ended
    assert ended[0][1] and not any(said for _, said in ended[1:]), ended


def lines(workdir) -> list[dict]:
    """Returns the whole lines of metrics.jsonl."""
    path = Path(workdir) / "metrics.jsonl"
    texts = path.read_text().splitlines() if path.exists() else []
    return [json.loads(text) for text in texts if text.endswith("}")]


def losses(workdir) -> dict[int, float]:
    """Returns {step: loss}."""
    return {line["step"]: line["loss"] for line in lines(workdir) if "loss" in line}


def evaluations(workdir) -> dict[int, dict[str, float]]:
    """Returns {step: {metric: mean}}."""
    found = [line for line in lines(workdir) if any(name.startswith("eval/") for name in line)]
    return {line.pop("step"): line for line in found}


def free_port() -> int:
    """Returns a port that nobody uses now."""
    with socket.socket() as any_port:
        any_port.bind(("localhost", 0))
        return any_port.getsockname()[1]
