"""RAFT and RAFT-small after each stage against the published networks."""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from daflow_jax.ops import coords, correlation
from tests.models import published_raft
from tests.models.parity import Row

INPUTS = ("image1", "image2", "flow_init")
# ten times the published networks' float32 error, RAFT and RAFT-small
TOLERANCE = {
    "fmap1": (1.1e-4, 2.7e-4),
    "fmap2": (1.1e-4, 2.7e-4),
    "hidden0": (1.7e-5, 1.7e-5),
    "context": (1.7e-5, 1.7e-5),
    "corr_it1": (5e-4, 9e-4),
    "corr_it5": (1.1e-3, 2.5e-3),
    "corr_init": (5e-4, 9e-4),
    "mask_it1": (4e-6, 4e-6),
    "hidden_it": (2e-4, 2.4e-4),
    "flow_low_it": (1.7e-4, 2.2e-4),
    "flow_up_it1": (5e-5, 1.4e-4),
    "flow_up_it4": (1.4e-4, 5e-4),
    "flow_up_it12": (4e-4, 1.7e-3),
    "init_flow": (1.5e-4, 5e-4),
}


def tolerance(name: str, small: bool) -> float:
    """Returns the bound of an array by the longest prefix of its name."""
    prefix = max((key for key in TOLERANCE if name.startswith(key)), key=len)
    return TOLERANCE[prefix][small]


def sparse(name: str, array) -> np.ndarray:
    """Returns the channels ("_c8") or pixels ("_s3") that a fixture of this name keeps."""
    for part in name.split("_"):
        if part[:1] == "c" and part[1:].isdigit():
            array = array[..., :: int(part[1:])]
        if part[:1] == "s" and part[1:].isdigit():
            array = array[:, :: int(part[1:]), :: int(part[1:])]
    return np.asarray(array)


def rows(name: str, part: str, lookup: str = "gather") -> Iterator[Row]:
    """Yields a row for every array of the fixture `part` of "raft" or "raft-small"."""
    golden = np.load(published_raft.GOLDEN / f"{name.replace('-', '_')}_{part}.npz")
    module, variables = published_raft.load(name, {"a": 0, "b": 1}[part], lookup=lookup)
    clip, start = published_raft.frames(golden), golden["flow_init"][:, None]
    cold = published_raft.trace(module, variables, clip, np.zeros_like(start), 12)
    warm = published_raft.trace(module, variables, clip, start, 12)
    ours = _stages(module.config, cold) | _warm(module.config, warm, golden["flow_init"])
    for key in golden:
        if key not in INPUTS:
            stage = max((k for k in ours if f"{key}_".startswith(f"{k}_")), key=len)
            values = sparse(key.removeprefix(stage), ours[stage])
            yield Row(key, values, golden[key], tolerance(key, module.config.small))


def _stages(config, traced):
    out, seen = traced
    fmaps, context, state = seen["features"], seen["contexts"], seen["states"]
    grid = coords.pixel_grid(*state.target.shape[2:4])
    stages = {
        "fmap1": fmaps[:, 0],
        "fmap2": fmaps[:, 1],
        "hidden0": np.tanh(context[..., : config.hidden]),
        "context": np.maximum(context[..., config.hidden :], 0),
        "corr_it1": _lookup(config, seen, np.broadcast_to(grid, state.target.shape[1:])),
        "corr_it5": _lookup(config, seen, state.target[3]),
    }
    if "mask" in seen:  # all iterations in one batch; RAFT scales the logits by 1/4
        stages["mask_it1"] = 0.25 * seen["mask"][: len(fmaps)]
    for k in (1, 4, 12):
        stages[f"hidden_it{k}"] = state.net[k - 1]
        stages[f"flow_low_it{k}"] = state.target[k - 1] - grid
        stages[f"flow_up_it{k}"] = out.flows[k - 1, :, 0]
    np.testing.assert_array_equal(out.low[:, 0], stages["flow_low_it12"])
    return stages


def _warm(config, traced, start):
    out, seen = traced
    grid = coords.pixel_grid(*start.shape[1:3])
    return {
        "corr_init": _lookup(config, seen, grid + start),
        "init_flow_low_it4": seen["states"].target[3] - grid,
        "init_flow_up_it4": out.flows[3, :, 0],
    }


def _lookup(config, seen, target):
    return correlation.lookup(seen["correlate"], jnp.asarray(target), config.radius, config.lookup)
