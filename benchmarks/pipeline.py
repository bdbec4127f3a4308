"""Clips per second of the synthetic data on one core: generator, degradation, both.

python benchmarks/pipeline.py [--frames 2] [--size 192x256] [--clips 40]
"""

import argparse
import json
import time

import numpy as np

from daflow_jax.generate import host, scene
from daflow_jax.input_pipeline import loader, sources


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--size", default="192x256")
    parser.add_argument("--clips", type=int, default=40)
    args = parser.parse_args()
    height, width = (int(n) for n in args.size.split("x"))
    settings = scene.SceneConfig(frames=args.frames, height=height, width=width)
    host.clip(settings, 0, 0)  # makes the texture atlas
    start = time.perf_counter()
    for index in range(args.clips):
        host.clip(settings, 0, index + 1, backward=False)
    clean = (time.perf_counter() - start) / args.clips
    batches = loader.make_loader(sources.DataConfig(scene=settings), 1)
    next(batches)
    start = time.perf_counter()
    for _ in range(args.clips):
        next(batches)
    whole = (time.perf_counter() - start) / args.clips
    row = {
        "clip": f"{args.frames}x{args.size}",
        "clean_ms": clean * 1e3,
        "degraded_ms": whole * 1e3,
    }
    print(
        json.dumps({k: np.round(v, 1) if k != "clip" else v for k, v in row.items()}, default=str)
    )


if __name__ == "__main__":
    main()
