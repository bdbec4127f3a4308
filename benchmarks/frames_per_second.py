"""Frames per second of flow on this machine's CPU: networks and DIS, by size and number of threads.

python benchmarks/frames_per_second.py [--threads 1,2] [--sizes 480x854,1080x1920] [--repeat 3]

Prints one line of JSON for each method, size and number of threads: the median of the calls after
the first one, and the ratio to DIS in the same process. A process is bound to as many cores as it
has threads. Networks without published weights here have random ones, which cost the same; all run
in float32, with the iterations and smaller sizes that they come with.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

RANDOM = ("raft-small", "sea-raft-s", "sea-raft-m")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--sizes", default="480x854,1080x1920")
    parser.add_argument("--methods", default=",".join(("dis", "raft-degraded", *RANDOM)))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.cores is None:
        for cores in args.threads.split(","):
            command = [sys.executable, __file__, *sys.argv[1:], "--cores", cores]
            subprocess.run(command, check=True)
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    for size in args.sizes.split(","):
        height, width = (int(n) for n in size.split("x"))
        measure(args.methods.split(","), (height, width), args.cores, args.repeat)


def measure(methods: list[str], size: tuple[int, int], cores: int, repeat: int) -> None:
    """Prints the rows of one size."""
    import cv2

    cv2.setNumThreads(cores)
    pair, dis = frames(size), None
    for name in methods:
        call = function(name)
        start = time.perf_counter()
        call(pair)
        first, seconds, work = time.perf_counter() - start, [], time.process_time()
        for _ in range(repeat):
            start = time.perf_counter()
            call(pair)
            seconds.append(time.perf_counter() - start)
        work = (time.process_time() - work) / repeat
        median = statistics.median(seconds)
        dis = median if name == "dis" else dis
        row = {"method": name, "size": "x".join(map(str, size)), "threads": cores}
        row |= {"frames_per_s": round(1 / median, 4), "s": [round(s, 3) for s in sorted(seconds)]}
        row |= {"processor_s": round(work, 3)}  # with one thread: what a quiet machine takes
        row |= {"first_call_s": round(first, 1), "times_dis": dis and round(median / dis, 1)}
        row["load"] = round(os.getloadavg()[0], 1)
        print(json.dumps(row), flush=True)


def frames(size: tuple[int, int]):
    """Returns a photograph that moves by a few pixels, uint8 (2, h, w, 3)."""
    import cv2
    import numpy as np
    from skimage import data

    picture = cv2.resize(data.astronaut(), size[::-1], interpolation=cv2.INTER_AREA)
    return np.stack([picture, np.roll(picture, (2, 5), (0, 1))])


def function(name: str):
    """Returns the function of two frames that estimates their flow."""
    import daflow_jax as daflow
    from daflow_jax.evaluate import baselines

    if name in baselines.BASELINES:
        return baselines.get(name)
    return random_model(name) if name in RANDOM else daflow.load(name)


def random_model(name: str):
    """Returns the flow model of an architecture with random weights."""
    import jax
    import numpy as np

    from daflow_jax import api

    module, abstract = api.create(name)
    rng = np.random.default_rng(0)

    def drawn(leaf):
        spread = max(int(np.prod(leaf.shape[:-1])), 1) ** -0.5
        return rng.normal(0, spread, leaf.shape).astype(np.float32)

    def positive(path, leaf):  # variances of batch norms
        return np.abs(leaf) + 0.5 if "var" in jax.tree_util.keystr(path) else leaf

    variables = jax.tree_util.tree_map_with_path(positive, jax.tree.map(drawn, abstract))
    return api.FlowModel(module.config, variables, meta={"name": name})


if __name__ == "__main__":
    main()
