"""Clips per second of the training data, and where the time of a clip goes.

python benchmarks/pipeline.py [--frames 2] [--size 192x256] [--clips 40] [--workers 0,1,2]

Prints one line of JSON for the generator and the degradation on one core; one for the steps of a
mixture (half a pairs folder made for the purpose, half the generator); and one per number of worker
processes with the mixture's clips per second, in all and per worker.
"""

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from daflow_jax.input_pipeline import loader, mixture, transforms
from daflow_jax.input_pipeline.settings import DataConfig, Source
from daflow_jax.io import flow, image
from daflow_jax.synthetic import host, scene

PAIRS, SOURCE_SIDE = 8, 1.5  # pairs in the folder, their sides relative to the clips


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--size", default="192x256")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--workers", default="0,1,2")
    args = parser.parse_args()
    cv2.setNumThreads(0)
    height, width = (int(n) for n in args.size.split("x"))
    settings = scene.SceneConfig(frames=args.frames, height=height, width=width)
    report(generator(settings, args.clips) | {"clip": f"{args.frames}x{args.size}"})
    with tempfile.TemporaryDirectory() as folder:
        config = mixed(settings, write_pairs(Path(folder), settings))
        report({"mixture_ms": steps(config, args.clips)})
        for workers in (int(n) for n in args.workers.split(",")):
            report(throughput(dataclasses.replace(config, num_workers=workers), args.clips))


def generator(settings: scene.SceneConfig, clips: int) -> dict[str, float]:
    """Returns milliseconds of a clean and of a degraded clip of the generator."""
    host.clip(settings, 0, 0)  # makes the texture atlas
    indices = iter(range(1, clips + 1))
    clean = seconds(lambda: host.clip(settings, 0, next(indices), backward=False), clips)
    batches = loader.make_loader(DataConfig(scene=settings), 1)
    next(batches)
    return {"clean_ms": clean * 1e3, "degraded_ms": seconds(lambda: next(batches), clips) * 1e3}


def write_pairs(root: Path, settings: scene.SceneConfig) -> Path:
    """Returns a folder with pairs larger than the clips, as PNG and .flo."""
    sides = (int(SOURCE_SIDE * side) for side in (settings.height, settings.width))
    larger = scene.SceneConfig(2, *sides)
    for index in range(PAIRS):
        clip, folder = host.clip(larger, 1, index), root / f"pairs/{index}"
        folder.mkdir(parents=True)
        for number, frame in enumerate(clip["hq"], 1):
            image.write_image(folder / f"frame{number}.png", np.uint8(np.round(frame * 255)))
        flow.write_flow(folder / "flow.flo", clip["flow"][0])
        (folder / "meta.json").write_text("{}")
    return root


def mixed(settings: scene.SceneConfig, folder: Path) -> DataConfig:
    """Returns the data of half the folder, augmented, and half the generator."""
    pairs = Source("folder", path=str(folder), layout="pairs_folder", augment="dense")
    keys = ("lq", "hq", "flow", "valid", "weight")
    listed = (pairs, Source("synthetic"))
    return DataConfig("mixture", listed, settings, keys=keys)


def steps(config: DataConfig, clips: int) -> dict[str, float]:
    """Returns milliseconds a clip of reading each source, and of each transform on its clips."""
    stream, chain = mixture.Mixture(config), transforms.chain(config)
    spent: dict[str, list[float]] = {}
    for number in range(clips):
        kind = config.sources[stream.place(number)[0]].kind
        value: Any = number
        for name, step in named(stream, chain):
            start = time.perf_counter()
            value = step(value)
            spent.setdefault(f"{kind}_{name}", []).append(time.perf_counter() - start)
    return {name: round(float(np.median(times)) * 1e3, 1) for name, times in sorted(spent.items())}


def named(stream: mixture.Mixture, chain: tuple) -> Iterator[tuple[str, Callable]]:
    """Yields the steps of a clip by name."""
    yield "read", stream.__getitem__
    for transform in chain:
        yield type(transform).__name__.lower(), transform


def throughput(config: DataConfig, clips: int) -> dict[str, float]:
    """Returns clips per second, in all and per worker, after the workers have started."""
    batches = loader.make_loader(config, 2)
    for _ in range(2 + 4 * config.num_workers):  # what the workers prepared while they started
        next(batches)
    rate = 2 / seconds(lambda: next(batches), clips // 2)
    batches.close()
    each = rate / max(config.num_workers, 1)
    return {"workers": config.num_workers, "clips_per_s": rate, "per_worker": each}


def seconds(call: Callable, count: int) -> float:
    """Returns the mean time of a call."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def report(row: dict) -> None:
    """Prints a row as JSON."""
    print(json.dumps({k: round(v, 1) if isinstance(v, float) else v for k, v in row.items()}))


if __name__ == "__main__":
    main()
