"""Plans one program after the other, each in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from daflow_jax.plan import topology as topologies

# Ten times faster than the effort of a run; the peak of memory was equal or a fifth higher.
EFFORT = "JAX_EXEC_TIME_OPTIMIZATION_EFFORT"
QUICK = -1.0


class Job(NamedTuple):
    """What is compiled: the train step of a configuration, or its prediction of `frames` frames of
    `predict` = (height, width); None: as many as the model wants."""

    config: str
    overrides: Sequence[str]
    topology: str
    mesh: dict[str, int]
    predict: tuple[int, int] | None = None
    frames: int | None = None


def run(job: Job, timeout: int) -> dict[str, Any]:
    """Returns the job with its report, or with "failed": why it has none.

    "effort" of the compiler is QUICK unless the environment sets EFFORT; a run has 0.
    """
    effort = os.environ.get(EFFORT, str(QUICK))
    where = topologies.environment(topologies.parse(job.topology))
    with tempfile.TemporaryDirectory(prefix="daflow-plan-") as folder:
        given, result, log = (Path(folder) / name for name in ("job.json", "result.json", "log"))
        given.write_text(json.dumps(job._asdict()))
        command = [sys.executable, "-m", "daflow_jax.plan.worker", str(given), str(result)]
        with log.open("w") as output:
            process = subprocess.Popen(
                command, env=os.environ | where | {EFFORT: effort}, stdout=output, stderr=output
            )
            report = _outcome(process, timeout, result, log)
    return job._asdict() | {"effort": float(effort)} | report


def _outcome(process, timeout, result, log) -> dict[str, Any]:
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        return {"failed": f"no result after {timeout} s (--timeout)"}
    finally:
        if process.poll() is None:  # also when the person interrupts
            process.kill()
            process.wait()
    if result.exists():
        return json.loads(result.read_text())
    lines = log.read_text(errors="replace").strip().splitlines()
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return {"failed": f"the compiler ended with {how}", "details": "\n".join(lines[-40:])}
