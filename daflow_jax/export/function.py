"""A flow network as a function of frames of a fixed size, to be exported."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from daflow_jax import __version__
from daflow_jax.predict import FlowModel
from daflow_jax.predict.flow import network


def of(
    model: FlowModel, size: tuple[int, int], options: Mapping[str, Any]
) -> Callable[[jax.Array], jax.Array]:
    """Returns the function of float32 frames (batch, f, h, w, 3) in [0, 1] that gives the flow,
    (batch, f-1, h, w, 2) in pixels; weights, padding and smaller sizes are inside.

    `size`: (height, width) of the frames. `options`: of the network's call.
    """
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


def frames(model: FlowModel, size: tuple[int, int], batch: int) -> jax.ShapeDtypeStruct:
    """Returns the shape of the function's argument."""
    return jax.ShapeDtypeStruct((batch, model.config.frames, *size, 3), jnp.float32)


def signature(
    model: FlowModel, options: Mapping[str, Any], frames: Any, flow: Any
) -> dict[str, Any]:
    """Returns what signature.json says of the function: `frames` and `flow` have shape and
    dtype."""
    asked = dict(model.options(**options).static)
    return {
        "model": {"name": model.name, "sha256": model.meta.get("sha256")},
        **asked,
        "scales": list(model.scales),
        "precision": model.precision,
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
    }
