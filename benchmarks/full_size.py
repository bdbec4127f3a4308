"""The published sizes on a small machine: a random DiT4SR checkpoint with the published names and
shapes is converted, slimmed and run once.

    python benchmarks/full_size.py make /tmp/dit4sr      # 6 GB of random shards
    python benchmarks/full_size.py convert /tmp/dit4sr   # time, peak memory, bytes
    python benchmarks/full_size.py slim /tmp/dit4sr      # the features of the first step alone
    python benchmarks/full_size.py forward /tmp/dit4sr --model bfloat16   # two frames of 128 x 128
    python benchmarks/full_size.py forward /tmp/dit4sr --model slim
    python benchmarks/full_size.py compare /tmp/dit4sr   # their taps
"""

import argparse
import json
import math
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import ml_dtypes
import numpy as np

from daflow_jax.io import safetensors_file
from daflow_jax.models.dit4sr.config import DiTConfig
from daflow_jax.nn import embed

NAMES = Path(__file__).parents[1] / "tests" / "golden" / "backbone" / "names"
SHARD = 2 * 2**30  # bytes
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def names(file: str) -> dict[str, tuple[int, ...]]:
    """Returns name -> shape of a published checkpoint, the position table among them."""
    listed = json.loads((NAMES / file).read_text())
    return {name: tuple(shape) for name, shape in listed["params"].items()}


def make(folder: Path) -> None:
    """Writes bfloat16 shards with an index, a float32 position table, and an autoencoder."""
    shapes = names("dit4sr_full.json")
    dtypes = dict.fromkeys(shapes, BFLOAT16) | {"pos_embed.pos_embed": np.dtype(np.float32)}
    shards: list[dict[str, tuple]] = [{}]
    size = 0
    for name, shape in shapes.items():
        size += math.prod(shape) * dtypes[name].itemsize
        if size > SHARD:
            shards.append({})
            size = math.prod(shape) * dtypes[name].itemsize
        shards[-1][name] = (dtypes[name], shape)
    index = {}
    for i, layout in enumerate(shards):
        file = f"diffusion_pytorch_model-{i + 1:05}-of-{len(shards):05}.safetensors"
        arrays = ((name, _values(name, *layout[name])) for name in layout)
        safetensors_file.write(folder / "transformer" / file, layout, arrays)
        index |= dict.fromkeys(layout, file)
    text = json.dumps({"metadata": {}, "weight_map": index})
    (folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json").write_text(text)
    layout = {n: (np.dtype(np.float32), s) for n, s in names("sd3_vae_full.json").items()}
    arrays = ((name, _values(name, *layout[name])) for name in layout)
    safetensors_file.write(folder / "vae" / "diffusion_pytorch_model.safetensors", layout, arrays)


def _values(name, dtype, shape):
    """Returns small random numbers; the position table as it is published."""
    if name == "pos_embed.pos_embed":
        side, half = DiTConfig.position_table, shape[-1] // 2
        line = embed.position_line(half, side, DiTConfig.position_base)
        grid = (side, side, half)
        columns, rows = np.broadcast_to(line[None], grid), np.broadcast_to(line[:, None], grid)
        return np.concatenate([columns, rows], -1).reshape(shape)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if "norm" in name and name.endswith("weight") and len(shape) == 1:
        return np.ones(shape, dtype)
    scale = 1 / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.01
    return (rng.standard_normal(shape, np.float32) * scale).astype(dtype)


def measured(command: list[str]) -> dict[str, float]:
    """Returns seconds, and the peaks of a process's own and of its mapped memory in GB."""
    begun = time.perf_counter()
    process = subprocess.Popen(command)
    peaks = {"RssAnon": 0, "RssFile": 0}

    def watch():
        while process.poll() is None:
            try:
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            except FileNotFoundError:
                return
            for line in lines:
                key, _, value = line.partition(":")
                if key in peaks:
                    peaks[key] = max(peaks[key], int(value.split()[0]))
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    if process.wait():
        raise SystemExit(f"{' '.join(command)} failed")
    watcher.join()
    return {
        "seconds": round(time.perf_counter() - begun, 1),
        "own_gb": round(peaks["RssAnon"] / 2**20, 3),
        "mapped_gb": round(peaks["RssFile"] / 2**20, 3),
    }


def convert(folder: Path) -> None:
    """Prints what converting to bfloat16 costs."""
    out = folder / "bfloat16"
    command = f"convert weights {folder}/transformer {out} --arch dit4sr --vae {folder}/vae"
    command += " --prompt zeros --lq-key hq_twice --dtype bfloat16 --overwrite"
    figures = measured([sys.executable, "-m", "daflow_jax", *command.split()])
    figures["output_gb"] = round((out / "model.safetensors").stat().st_size / 2**30, 3)
    shapes = names("dit4sr_full.json")
    del shapes["pos_embed.pos_embed"]
    figures["largest_tensor_gb"] = round(2 * max(map(math.prod, shapes.values())) / 2**30, 3)
    print(json.dumps(figures))


def slim(folder: Path) -> None:
    """Prints what reducing the converted restorer to its first step costs and saves."""
    out = folder / "slim"
    command = f"export --model {folder}/bfloat16 --format folder --slim --out {out} --overwrite"
    figures = measured([sys.executable, "-m", "daflow_jax", *command.split()])
    for name in ("bfloat16", "slim"):
        size = (folder / name / "model.safetensors").stat().st_size
        figures[f"{name}_gb"] = round(size / 2**30, 3)
    print(json.dumps(figures))


def forward(folder: Path, name: str) -> None:
    """Prints time and memory of the taps of two 128 x 128 frames, and writes them to compare."""
    figures = measured([sys.executable, __file__, "taps", str(folder), "--model", name])
    print(json.dumps({"model": name} | figures))


def taps(folder: Path, name: str) -> None:
    """Runs one converted restorer; parameters stay bfloat16, layers compute in float32."""
    import jax
    import jax.numpy as jnp

    from daflow_jax import models, pretrained

    loaded = pretrained.load(folder / name)
    module = models.build(loaded.config, dtype=jnp.float32, param_dtype=jnp.bfloat16)
    variables = jax.device_put(loaded.variables)
    frames = jax.random.uniform(jax.random.key(0), (1, 2, 128, 128, 3))
    run = jax.jit(lambda v, x, k: module.apply(v, x, k, method="features"))
    begun = time.perf_counter()
    out = jax.block_until_ready(run(variables, frames, jax.random.key(1)))
    print(f"compiled and run in {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    begun = time.perf_counter()
    out = jax.block_until_ready(run(variables, frames, jax.random.key(1)))
    print(f"run in {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    arrays = {
        f"{i}_{kind}": np.asarray(getattr(tap, kind), np.float32)
        for i, tap in enumerate(out)
        for kind in tap._fields
    }
    np.savez(folder / f"taps_{name}.npz", **arrays)


def compare(folder: Path) -> None:
    """Prints the largest difference between the taps of both models, relative to their peak."""
    full, small = (np.load(folder / f"taps_{name}.npz") for name in ("bfloat16", "slim"))
    worst = max(np.abs(full[k] - small[k]).max() / np.abs(full[k]).max() for k in full.files)
    print(json.dumps({"taps_differ_by": float(worst)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("make", "convert", "slim", "forward", "taps", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=("bfloat16", "slim"), default="slim")
    args = parser.parse_args()
    if args.step in ("forward", "taps"):
        {"forward": forward, "taps": taps}[args.step](args.folder, args.model)
    else:
        steps = {"make": make, "convert": convert, "slim": slim, "compare": compare}
        steps[args.step](args.folder)


if __name__ == "__main__":
    main()
