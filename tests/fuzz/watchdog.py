"""One long-lived worker: started anew when a case ended it, killed when a case takes too much."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests import xla

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 20.0
MOST_BYTES = 1.5e9
_START_SECONDS = 120.0
_ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "PYTHONWARNINGS": "ignore",
    "XLA_FLAGS": xla.QUICK,
}


class Outcome(NamedTuple):
    """code: the exit code, negative for a signal, None where the case was killed for `fault`.
    seconds, peak: what it took, and the largest resident memory in bytes.
    """

    code: int | None
    seconds: float
    peak: int
    fault: str = ""


class Worker:
    """Runs cases in a process of its own."""

    def __init__(self):
        self._process: subprocess.Popen | None = None
        self._cache = tempfile.TemporaryDirectory(prefix="daflow-fuzz-cache-")
        self.starts = 0

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._cache.cleanup()

    def run(self, case: dict) -> Outcome:
        """Returns how a case ended."""
        process = self._ready()
        _reset_peak(process.pid)
        start = time.monotonic()
        process.stdin.write(json.dumps(case) + "\n")
        process.stdin.flush()
        fault = ""
        while not select.select([process.stdout], [], [], 0.05)[0]:
            if time.monotonic() - start > MOST_SECONDS:
                fault = f"no end after {MOST_SECONDS:g} s"
            elif _peak(process.pid) > MOST_BYTES:
                fault = f"more than {MOST_BYTES:g} bytes of memory"
            if fault:
                break
        seconds, peak = time.monotonic() - start, _peak(process.pid)
        if fault:
            self._end()
            return Outcome(None, seconds, peak, fault)
        answer = process.stdout.readline()
        if not answer:  # it died
            code = process.wait()
            self._process = None
            return Outcome(code, seconds, peak, f"the process ended with {code}")
        if peak > MOST_BYTES:
            self._end()
            return Outcome(int(answer), seconds, peak, f"{peak} bytes of memory")
        return Outcome(int(answer), seconds, peak)

    def _ready(self) -> subprocess.Popen:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.worker"],
                cwd=ROOT,
                env=os.environ | _ENVIRONMENT | {"DAFLOW_CACHE": self._cache.name},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self.starts += 1
            if not select.select([self._process.stdout], [], [], _START_SECONDS)[0]:
                raise RuntimeError("the worker does not start")
            assert self._process.stdout.readline() == "ready\n"
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None


def _reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _peak(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(x.split()[1]) * 1024 for x in text.splitlines() if x[:6] == "VmHWM:"), 0)
