"""Metrics between two log lines: they stay on the device until a line is due."""

import contextlib
import math
import time
from collections.abc import Iterator

import jax
import numpy as np

from daflow_jax.train import step as steps
from daflow_jax.train import writer


class Recorder:
    """Collects the metrics of steps and the time that they took."""

    def __init__(self, total_steps: int, pairs_per_step: int, step: int):
        self._total, self._pairs = total_steps, pairs_per_step
        self._kept: list[steps.Metrics] = []
        self._restart(step, 0.0)

    def add(self, metrics: steps.Metrics, run_ahead: int) -> None:
        """Keeps the metrics of a call and waits for the call that lies `run_ahead` calls back."""
        self._kept.append(metrics)
        if len(self._kept) > run_ahead:
            jax.block_until_ready(self._kept[-1 - run_ahead])

    @contextlib.contextmanager
    def aside(self, step: int | None = None) -> Iterator[None]:
        """Keeps what happens inside (a save, the first step's compilation) out of the speed
        figures.
        """
        start = time.monotonic()
        yield
        self._since += time.monotonic() - start
        self._from = self._from if step is None else step

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
        count, elapsed = step - self._from, time.monotonic() - self._since
        speed = (
            {
                "pairs_per_s": self._pairs * count / elapsed,
                "data_share": min((waited - self._waited) / elapsed, 1.0),
                "eta_s": (self._total - step) * elapsed / count,
            }
            if count
            else {}
        )  # nothing is known right after the first step
        speed["memory_bytes"] = float(writer.memory_bytes())
        self._kept = []
        self._restart(step, waited)
        return values, speed

    def _restart(self, step: int, waited: float) -> None:
        self._from, self._since, self._waited = step, time.monotonic(), waited


def _mean(values: np.ndarray) -> float:
    good = values[np.isfinite(values)]
    return float(good.mean()) if good.size else math.nan
