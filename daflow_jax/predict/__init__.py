"""From frames of any size to flow of the same size: pad, window, batch, tile, run, crop."""

from daflow_jax.predict.flow.coarse_to_fine import CoarseToFine
from daflow_jax.predict.flow.estimator import Estimator, Layout
from daflow_jax.predict.flow.runner import Options, Result, Runner, network
from daflow_jax.predict.flow.stream import Stream, run_clip
from daflow_jax.predict.frames import as_frames
from daflow_jax.predict.padding import Padding, crop, fit, pad
from daflow_jax.predict.placement import Placement, spread
from daflow_jax.predict.restoration.restorer import COLOR_FIXES, ClipRestorer, RestoreOptions

__all__ = [
    "COLOR_FIXES",
    "ClipRestorer",
    "CoarseToFine",
    "Estimator",
    "Layout",
    "Options",
    "Padding",
    "Placement",
    "RestoreOptions",
    "Result",
    "Runner",
    "Stream",
    "as_frames",
    "crop",
    "fit",
    "network",
    "pad",
    "run_clip",
    "spread",
]
