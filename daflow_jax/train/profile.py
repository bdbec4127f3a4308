"""A profiler's look at a few steps of a run."""

from pathlib import Path
from typing import Any

import jax

from daflow_jax.sharding import processes


class Profiler:
    """Traces the steps `window` = (first, count), counted from 1, into WORKDIR/profile; process 0
    only.
    """

    def __init__(self, workdir: Path, window: tuple[int, ...]):
        self._folder, self._on = Path(workdir) / "profile", False
        self._first, self._count = window if window and processes.is_main() else (0, 0)

    def before(self, step: int, state: Any) -> None:
        """Starts or ends the trace when due: `step` steps are done and lead to `state`."""
        if self._count and not self._on and step == self._first - 1:
            jax.block_until_ready(state)
            jax.profiler.start_trace(str(self._folder))
            self._on = True
        elif self._on and step >= self._first - 1 + self._count:
            self.end(state)

    def end(self, state: Any) -> None:
        """Ends the trace if there is one."""
        if self._on:
            jax.block_until_ready(state)
            jax.profiler.stop_trace()
            self._on = False
