"""The loop of a process that is measured: a line in, one forward pass, its seconds out."""

import json
import os
import resource
import sys
import time
from collections.abc import Callable

import numpy as np


def bind(threads: int) -> None:
    """Keeps this process on so many cores; before anything starts threads."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))


def serve(start: Callable[[], tuple[dict, Callable[[], np.ndarray]]], result: str) -> None:
    """Prints facts of the start, then answers every line of the input with the seconds of a call.

    The first call is not timed; what it returns is written to `result`.
    """
    out, sys.stdout = sys.stdout, sys.stderr
    facts, call = start()
    np.save(result, call())
    print(json.dumps(facts), file=out, flush=True)
    for _ in sys.stdin:
        begin, work = time.perf_counter(), time.process_time()
        call()
        run = {"seconds": time.perf_counter() - begin, "processor_s": time.process_time() - work}
        run["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(json.dumps(run), file=out, flush=True)
