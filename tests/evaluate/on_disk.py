"""Pairs folders with a constant true flow, for tests."""

import json

import numpy as np

from daflow_jax.io import flow as flow_files
from daflow_jax.io import image
from tests import tiny


def write_pair(folder, flow_x, frames=(1, 2), seed=0, **meta):
    """Writes frames of 100 x 120 pixels by number, and a flow of `flow_x` pixels to the right."""
    for number, frame in zip(frames, tiny.frames(len(frames), seed=seed), strict=True):
        image.write_image(folder / f"frame{number}.png", frame)
    flow = np.zeros((100, 120, 2), np.float32)
    flow[..., 0] = flow_x
    flow_files.write_flow(folder / "flow.flo", flow)
    (folder / "meta.json").write_text(json.dumps({"dataset": folder.parent.name, **meta}))
