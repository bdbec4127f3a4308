"""A flow network as one function of frames of a fixed size, which JAX alone loads and runs."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import export as jax_export

from daflow_jax import __version__, errors
from daflow_jax.io import atomic
from daflow_jax.predict import FlowModel
from daflow_jax.predict.flow import network

ARTEFACT, SIGNATURE, EXAMPLE = "flow.stablehlo", "signature.json", "load_example.py"
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")

_EXAMPLE = '''\
"""Runs the exported function; needs jax and numpy, not daflow_jax."""

import json
import pathlib

import jax
import numpy as np
from jax import export

here = pathlib.Path(__file__).parent
signature = json.loads((here / "signature.json").read_text())
exported = export.deserialize(bytearray((here / "flow.stablehlo").read_bytes()))
frames = np.random.default_rng(0).random(signature["inputs"][0]["shape"], np.float32)
flow = jax.jit(exported.call)(frames)
print(flow.shape, flow.dtype)
'''


class Artefact(NamedTuple):
    """blob: the serialised function, weights inside. signature: what signature.json says of it."""

    blob: bytes
    signature: dict[str, Any]

    def write(self, folder: str | Path) -> Path:
        """Returns the folder, with the function, its signature and an example that runs it."""
        folder = Path(folder)
        atomic.write_bytes(folder / ARTEFACT, self.blob)
        atomic.write_text(folder / SIGNATURE, json.dumps(self.signature, indent=1) + "\n")
        atomic.write_text(folder / EXAMPLE, _EXAMPLE)
        return folder


def export(
    model: FlowModel,
    size: tuple[int, int],
    *,
    batch: int = 1,
    platforms: tuple[str, ...] | None = None,
    **options: Any,
) -> Artefact:
    """Returns the function of float32 frames (batch, f, h, w, 3) in [0, 1] that gives the flow of
    `model`, (batch, f-1, h, w, 2) in pixels; padding and smaller sizes are inside.

    Args:
        size: (height, width) of the frames.
        platforms: of `PLATFORMS`; None is this machine's.
        options: of the network's call, as for `model(frames, ...)`.
    """
    for name in platforms or ():
        if name not in PLATFORMS:
            known = errors.nearest(name, PLATFORMS)
            raise errors.UserError(f"--platforms {name}", "is unknown", known)
    shape = (batch, model.config.frames, *size, 3)
    function = jax.jit(_function(model, size, options))
    exported = jax_export.export(function, platforms=platforms)(
        jax.ShapeDtypeStruct(shape, jnp.float32)
    )
    blob = bytes(exported.serialize())
    return Artefact(blob, _signature(model, exported, len(blob), options))


def _function(model, size, options):
    estimator = model.estimator(**options)
    plan = estimator.plan(size)
    run = network.whole(model.module, model.programs.place, plan)
    variables, seed = jax.device_get(model.variables), model.seed
    arrays = dict(estimator.options.arrays)

    def flow(frames):
        with jax.default_matmul_precision(model.programs.precision or "default"):
            flows, _ = run(variables, jax.random.key(seed), frames, None, arrays)
        return flows[-1, ..., :2]

    return flow


def _signature(model, exported, size, options) -> dict[str, Any]:
    frames, flow = exported.in_avals[0], exported.out_avals[0]
    asked = dict(model.options(**options).static)
    return {
        "schema": 1,
        "format": "stablehlo",
        "model": {"name": model.name, "sha256": model.meta.get("sha256")},
        **asked,
        "scales": list(model.scales),
        "precision": model.precision,
        "platforms": list(exported.platforms),
        "bytes": size,
        "inputs": [
            {
                "name": "frames",
                "shape": list(frames.shape),
                "dtype": str(frames.dtype),
                "axes": "batch, frame, height, width, RGB",
                "range": [0, 1],
            }
        ],
        "outputs": [
            {
                "name": "flow",
                "shape": list(flow.shape),
                "dtype": str(flow.dtype),
                "axes": "batch, pair, height, width, (dx right, dy down)",
                "unit": "pixels, frame k to k+1 on the grid of frame k",
            }
        ],
        "daflow": __version__,
        "calling_convention_version": exported.calling_convention_version,
    }
