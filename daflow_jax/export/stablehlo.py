"""A flow network as one function of frames of a fixed size, which JAX alone loads and runs."""

from typing import Any

import jax
from jax import export as jax_export

from daflow_jax import errors
from daflow_jax.export import function
from daflow_jax.export.artefact import Artefact
from daflow_jax.predict import FlowModel

ARTEFACT = "flow.stablehlo"
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
    run = jax.jit(function.of(model, size, options))
    exported = jax_export.export(run, platforms=platforms)(function.frames(model, size, batch))
    blob = bytes(exported.serialize())
    signature = function.signature(model, options, exported.in_avals[0], exported.out_avals[0])
    kind = {"schema": 1, "format": "stablehlo", "platforms": list(exported.platforms)}
    version = {"calling_convention_version": exported.calling_convention_version}
    record = {**kind, **signature, "bytes": len(blob), **version}
    return Artefact(ARTEFACT, blob, record, _EXAMPLE)
