"""daflow doctor: is this machine ready, and what is missing?"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Any

from daflow_jax import __version__
from daflow_jax.cli import options

BASE = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "einops",
    "numpy",
    "scipy",
    "jaxtyping",
    "safetensors",
    "ml-collections",
    "absl-py",
    "opencv-python-headless",
    "av",
    "tensorboardX",
    "tqdm",
    "flatbuffers",
)
OPTIONAL = {  # module: (what it is for, how to get it)
    "h5py": (".flo5 files", "pip install 'daflow-jax[io]'"),
    "grain": ("training on stored data", "pip install 'daflow-jax[data]'"),
    "tensorflow_datasets": ("preparing data sets", "pip install 'daflow-jax[data]'"),
    "qwix": ("training with products in 8 bits", "pip install 'daflow-jax[quant]'"),
    "libtpu": ("daflow plan for TPUs, and TPUs", "pip install 'daflow-jax[plan]'"),
    "skimage": ("photographs as textures of clips", "pip install 'daflow-jax[data]'"),
}


def add_parser(subparsers) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "doctor",
        help="check versions, devices, memory, cache and optional parts",
        description="Exits with 3 if a needed part is missing or the device computes wrongly.",
        **options.examples(
            "daflow doctor", "daflow doctor --device cpu --json", "daflow doctor --licences"
        ),
    )
    parser.add_argument("--fix-hints", action="store_true", help="only the commands that fix it")
    parser.add_argument("--licences", action="store_true", help="licences of code and weights")
    parser.add_argument("--json", action="store_true", help="result as one JSON object on stdout")
    parser.add_argument("-v", "--verbose", action="store_true", help="more notes on stderr")
    parser.add_argument("--debug", action="store_true", help="traceback on errors")
    options.add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Returns 0 if the machine is ready, else 3, after telling what was found."""
    if args.licences:
        found = licences()
        print(json.dumps(found, indent=1) if args.json else _table(found))
        return 0
    options.start(args)
    report = examine(args.device)
    if args.json:
        print(json.dumps(report))
    elif args.fix_hints:
        print("\n".join(report["hints"]) or "nothing to fix")
    else:
        print(_text(report))
    return 0 if report["ok"] else 3


def examine(device: str) -> dict[str, Any]:
    """Returns versions, devices, memory, cache, optional parts and the result of a compute test."""
    from daflow_jax import api, pretrained

    versions = {name: _version(name) for name in BASE}
    parts = {name: _part(name) for name in OPTIONAL}
    missing = [name for name, version in versions.items() if version is None]
    compute = compute_test(api.find_device(device))
    hints = [f"pip install {name}" for name in missing]
    hints += [part["remedy"] for part in parts.values() if not part["present"]]
    if not compute["correct"]:
        hints.append(f"{device}: results are wrong; update the driver and jaxlib, or --device cpu")
    return {
        "ok": not missing and compute["correct"],
        "daflow": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "memory_bytes": _memory(),
        "versions": versions,
        "devices": _devices(),
        "cache": _cache(pretrained.cache_root()),
        "optional": parts,
        "compute": compute,
        "hints": list(dict.fromkeys(hints)),
    }


def compute_test(device: Any, seconds: float = 1.0) -> dict[str, Any]:
    """Returns compile time, speed and correctness of matrix products on `device`, in about 2 s."""
    import jax
    import numpy as np

    matrix = np.random.default_rng(0).standard_normal((512, 512)).astype(np.float32)
    on_device = jax.device_put(matrix, device)
    product = jax.jit(lambda a: jax.numpy.matmul(a, a, precision="highest"))
    begun = time.perf_counter()
    result = np.asarray(product(on_device))
    compiled, count = time.perf_counter() - begun, 0
    begun = time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        product(on_device).block_until_ready()
        count += 1
    return {
        "device": str(device),
        "first_call_s": round(compiled, 3),
        "gflops": round(2 * 512**3 * count / spent / 1e9, 1),
        "correct": bool(np.allclose(result, matrix @ matrix, atol=1e-2)),
    }


def licences() -> dict[str, str]:
    """Returns the licence of this package, of what it needs and of published weights, by name."""
    found = {"daflow-jax": "Apache-2.0"}
    for name in BASE:
        try:
            meta = importlib.metadata.metadata(name).json
        except importlib.metadata.PackageNotFoundError:
            continue
        classifiers = [c for c in meta.get("classifier", []) if c.startswith("License")]
        text = meta.get("license_expression") or (
            classifiers[0] if classifiers else meta.get("license")
        )
        found[name] = str(text or "not stated").splitlines()[0].split(" :: ")[-1][:60]
    found["RAFT's code"] = "BSD-3-Clause, Princeton Vision & Learning Lab"
    found["RAFT weights (in raft-degraded, or converted)"] = "none stated; see NOTICE"
    found["SD3.5 and DiT4SR weights (if converted)"] = (
        "their own terms; see: daflow convert weights --help"
    )
    return found


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _part(module: str) -> dict[str, Any]:
    purpose, remedy = OPTIONAL[module]
    try:
        present = importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # the package around a submodule is missing or blocked
        present = False
    return {"present": present, "for": purpose, "remedy": remedy}


def _devices() -> list[dict[str, Any]]:
    import jax

    found = []
    for device in jax.devices():
        memory = (device.memory_stats() or {}).get("bytes_limit")
        found.append({"name": str(device), "kind": device.device_kind, "memory_bytes": memory})
    return found


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _cache(root: Path) -> dict[str, Any]:
    there = next(path for path in (root, *root.parents) if path.exists())
    writable = os.access(there, os.W_OK)
    return {"path": str(root), "free_bytes": shutil.disk_usage(there).free, "writable": writable}


def _text(report: dict[str, Any]) -> str:
    cache, compute = report["cache"], report["compute"]
    state = "" if cache["writable"] else ", NOT WRITABLE (set DAFLOW_CACHE)"
    rows = {
        "daflow": f"{report['daflow']}, Python {report['python']}",
        "machine": f"{report['system']}, {_gib(report['memory_bytes'])} memory",
        **{name: version or "MISSING" for name, version in report["versions"].items()},
    }
    for device in report["devices"]:
        rows[f"device {device['name']}"] = f"{device['kind']}, {_gib(device['memory_bytes'])}"
    rows["cache"] = f"{cache['path']}, {_gib(cache['free_bytes'])} free{state}"
    for name, part in report["optional"].items():
        rows[name] = "present" if part["present"] else f"missing ({part['for']}): {part['remedy']}"
    verdict = "right" if compute["correct"] else "WRONG"
    rows["compute test"] = f"{compute['gflops']} GFLOP/s on {compute['device']}, results {verdict}"
    rows["verdict"] = "ready" if report["ok"] else "not ready; run: daflow doctor --fix-hints"
    return _table(rows)


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 2**30:.1f} GiB"


def _table(rows: dict[str, str]) -> str:
    width = max(map(len, rows)) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in rows.items())
