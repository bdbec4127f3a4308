"""A flow network as an ONNX file, for the frames of a fixed size; checked in ONNX Runtime."""

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors
from daflow_jax.export import function
from daflow_jax.export.artefact import Artefact
from daflow_jax.ops import resize
from daflow_jax.predict import FlowModel

ARTEFACT = "flow.onnx"
_GRAIN = 12  # px: of the texture that it is checked on
TOLERANCE = 1e-3  # px between ONNX Runtime and JAX

_EXAMPLE = '''\
"""Runs the exported network; needs numpy and onnxruntime, neither JAX nor daflow_jax."""

import pathlib

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(pathlib.Path(__file__).with_name("flow.onnx"))
frames = np.random.default_rng(0).random(session.get_inputs()[0].shape, np.float32)
(flow,) = session.run(["flow"], {"frames": frames})
print(flow.shape, flow.dtype)
'''


def export(model: FlowModel, size: tuple[int, int], *, batch: int = 1, **options: Any) -> Artefact:
    """Returns the network as `export.stablehlo.export` does, converted by jax2onnx.

    The file is run in ONNX Runtime on the CPU before it is returned.

    Raises UserError: packages are missing, something in the network has no counterpart in ONNX, or
    the flow of a texture that moves differs by more than `TOLERANCE` pixels.
    """
    converter, runtime = _package("jax2onnx"), _package("onnxruntime")
    run, argument = function.of(model, size, options), function.frames(model, size, batch)
    frames = _texture(argument.shape)
    try:
        with _quiet():
            names = dict(input_names=["frames"], output_names=["flow"])
            graph = converter.to_onnx(run, [argument], model_name="flow", **names)
            blob = graph.SerializeToString()  # fails beyond 2 GB
            difference, flow = _difference(runtime, blob, run, frames)
    except Exception as error:  # whatever a converter or a runtime meets in a network
        why = str(error).strip().partition("\n")[0][:200]
        rule = f"cannot be converted to ONNX ({type(error).__name__}: {why})"
        raise errors.UserError(model.name, rule, "Use --format stablehlo") from error
    if not difference <= TOLERANCE:
        rule = f"gives flow in ONNX Runtime that differs by {difference:.2g} px from JAX"
        raise errors.UserError(model.name, rule, "Use --format stablehlo")
    record = {
        "schema": 1,
        "format": "onnx",
        **function.signature(model, options, argument, flow),
        "bytes": len(blob),
        "opset": max(entry.version for entry in graph.opset_import if not entry.domain),
        "checked": {"onnxruntime": runtime.__version__, "max_difference_px": difference},
    }
    return Artefact(ARTEFACT, blob, record, _EXAMPLE)


def _package(name: str) -> Any:
    try:
        with _quiet():
            return importlib.import_module(name)
    except ImportError:
        rule = f"needs the package {name}"
        raise errors.UserError(
            "--format onnx", rule, "Run: pip install 'daflow-jax[onnx]'", 3
        ) from None


def _difference(runtime: Any, blob: bytes, run: Any, frames: np.ndarray) -> tuple[float, jax.Array]:
    """Returns the largest difference between the flows of frames, in pixels, and JAX's flow."""
    settings = runtime.SessionOptions()
    settings.log_severity_level = 3  # errors only
    session = runtime.InferenceSession(blob, settings, providers=["CPUExecutionProvider"])
    (found,) = session.run(["flow"], {"frames": frames})
    expected = jax.jit(run)(frames)
    return float(np.abs(found - np.asarray(expected)).max()), expected


def _texture(shape: tuple[int, ...]) -> np.ndarray:
    """Returns clips (b, f, h, w, 3) of a smooth random texture that moves two pixels a frame."""
    batch, count, height, width, _ = shape
    grains = batch, -(-height // _GRAIN), -(-width // _GRAIN), 3
    coarse = jnp.asarray(np.random.default_rng(0).random(grains, np.float32))
    wide = np.asarray(resize.resize_align_corners(coarse, (height, width + 2 * count)))
    return np.stack([wide[:, :, 2 * k : 2 * k + width] for k in range(count)], axis=1)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides what the converter prints and logs about itself."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
