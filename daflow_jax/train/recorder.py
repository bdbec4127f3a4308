"""Metrics between two log lines: they stay on the device until a line is due; and where the time
went.
"""

import contextlib
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from daflow_jax.train import step as steps
from daflow_jax.train import writer


class Work(NamedTuple):
    """Steps of the run, clips and work units of a step, what the unit is ("pair", "clip", "image"),
    and FLOPs of a step and FLOP/s of the devices where they are known.
    """

    steps: int
    clips: int
    units: int
    unit: str
    flops: float | None = None
    peak: float | None = None


class Recorder:
    """Collects the metrics of steps and the time that they took."""

    def __init__(self, work: Work, step: int):
        self._work = work
        self._kept: list[steps.Metrics] = []
        self._restart(step, 0.0)

    def add(self, metrics: steps.Metrics, run_ahead: int) -> None:
        """Keeps the metrics of a call and waits for the call that lies `run_ahead` calls back."""
        self._kept.append(metrics)
        if len(self._kept) > run_ahead:
            jax.block_until_ready(self._kept[-1 - run_ahead])

    @contextlib.contextmanager
    def aside(self, step: int | None = None) -> Iterator[None]:
        """Keeps what happens inside (an evaluation, the first step's compilation) out of the speed
        figures.
        """
        start = time.monotonic()
        yield
        self._since += time.monotonic() - start
        self._from = self._from if step is None else step

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Counts what happens inside as `save_s`, apart from the other speed figures."""
        start = time.monotonic()
        with self.aside():
            yield
        self._saved += time.monotonic() - start

    def take(self, step: int, waited: float) -> tuple[dict[str, float], dict[str, float]]:
        """Returns (means since the last call, speed figures) and starts anew; this waits for the
        device.

        `waited` is the total time spent waiting for data so far, in seconds.
        """
        rows = jax.device_get(self._kept)
        columns = {name: np.concatenate([np.atleast_1d(r[name]) for r in rows]) for name in rows[0]}
        names = ["loss", *sorted(set(columns) - {"loss", *steps.NAMES}), *steps.NAMES]
        values = {name: _mean(columns[name]) for name in names}
        values["skipped"] = float(columns["skipped"].sum())
        speed = self._speed(step, waited)
        self._kept = []
        self._restart(step, waited)
        return values, speed

    def _speed(self, step: int, waited: float) -> dict[str, float]:
        """Returns the figures since the last call: seconds of a step (`step_s`, and of it waiting
        for data, `data_s`), seconds spent on saving (`save_s`), rates, utilisation, memory.
        """
        count, elapsed, work = step - self._from, time.monotonic() - self._since, self._work
        speed = {"save_s": self._saved, "memory_bytes": float(writer.memory_bytes())}
        if not count:  # nothing is known right after the first step
            return speed
        data = min(waited - self._waited, elapsed)
        speed |= {
            "step_s": elapsed / count,
            "data_s": data / count,
            "data_share": data / elapsed,
            "clips_per_s": work.clips * count / elapsed,
            f"{work.unit}s_per_s": work.units * count / elapsed,
            "eta_s": (work.steps - step) * elapsed / count,
        }
        if work.flops and work.peak:
            speed["mfu"] = work.flops * count / elapsed / work.peak
        return speed

    def _restart(self, step: int, waited: float) -> None:
        self._from, self._since, self._waited = step, time.monotonic(), waited
        self._saved = 0.0


def _mean(values: np.ndarray) -> float:
    good = values[np.isfinite(values)]
    return float(good.mean()) if good.size else math.nan
