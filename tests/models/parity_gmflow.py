"""GMFlow with its published weights against arrays of the published network.

DAFLOW_GMFLOW_WEIGHTS names a file of the weights with refinement, DAFLOW_GOLDEN_REAL_WEIGHTS the
folder of gmflow_real_a.npz; this repository may not hold the weights.
"""

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import models
from daflow_jax.convert import checkpoint, engine
from daflow_jax.models.gmflow import convert, matching
from daflow_jax.models.gmflow import model as gmflow
from tests.models.parity import Row
from tests.models.parity_flownets import sparse

WEIGHTS = Path(os.environ.get("DAFLOW_GMFLOW_WEIGHTS", "/nowhere"))
GOLDEN = Path(os.environ.get("DAFLOW_GOLDEN_REAL_WEIGHTS", "/nowhere")) / "gmflow_real_a.npz"
INPUTS = ("frame0", "frame1", "true_flow_s3", "weak_f0", "weak_f1")
BOUNDS = (  # as the fixture's page suggests
    (r"trans_out4", 5e-4),
    (r"flow8", 1e-4),
    (r"flow4", 1e-3),
    (r"upsample_logits", 5e-3),
    (r"weak", 2.2e-5),
    (r"flow", 2e-3),
    (r"", 1e-4),
)


@functools.cache
def variables():
    """Returns the published weights as ours."""
    net = models.build(models.preset("gmflow"))
    shape = models.example(net.config).args[0]
    abstract = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros(shape.shape)))
    shapes = {path: leaf.shape for path, leaf in engine.flatten(abstract).items()}
    flat = engine.convert(checkpoint.read(WEIGHTS), convert.RULES, shapes).parameters
    return jax.tree.map(jnp.asarray, engine.unflatten(flat))


@functools.partial(jax.jit, static_argnums=0)
def trace(module, params, clip):
    """Returns (flow, both scales, what some layers returned)."""
    seen = {}

    def note(method, args, kwargs, context):
        out = method(*args, **kwargs)
        path, name = context.module.path, context.method_name
        if path and path[-1] in ("norm1", "layer1_1", "layer2_1", "backbone"):
            seen.setdefault("/".join(path), out)
        if name in ("block", "weights"):
            seen.setdefault(name, []).append(out)
        return out

    with nn.intercept_methods(note):
        out = module.apply(params, clip)
    found = module.apply(params, clip, method=gmflow.GMFlow.scales)
    return out.flows[0, :, 0], found, seen


def rows() -> Iterator[Row]:
    """Yields a row for every array of the fixture."""
    golden = np.load(GOLDEN)
    frames = np.stack([golden["frame0"], golden["frame1"]], 1).astype(np.float32) / 255
    net = models.build(models.preset("gmflow"))
    flow, found, seen = trace(net, variables(), frames)
    back = trace(net, variables(), frames[:, ::-1])[0]
    others = {
        name: trace(models.build(models.preset("gmflow", **settings)), variables(), frames)[0]
        for name, settings in {
            "flow_splits14": {"splits": (1, 4)},
            "flow_radius2": {"radii": (-1, 2), "propagation": (-1, 2)},
        }.items()
    }
    stages = _layers(seen) | others | {"flow": flow, "flow_back": back}
    stages |= {"flow_tile": flow[:, 96:128, 128:160]}
    stages |= {"flow_bidir": jnp.concatenate([flow, back])}
    for scale, level in zip((8, 4), found, strict=True):
        for i in range(2):
            stages[f"trans_in{scale}_frame{i}"] = level.entered[i]
            stages[f"trans_out{scale}_frame{i}"] = level.features[i]
        stages[f"flow{scale}_match"] = stages[f"flow{scale}_refined"] = level.matched
        stages[f"flow{scale}_prop"] = level.flow
    weak = [jnp.asarray(golden[f"weak_f{i}"]) for i in range(2)]
    stages |= {"weak_local4": matching.match(*weak, 4), "weak_global": matching.match(*weak, -1)}
    for key in golden:
        if key not in INPUTS and not key.startswith("epe"):
            stage = max((k for k in stages if f"{key}_".startswith(f"{k}_")), key=len)
            bound = next(bound for pattern, bound in BOUNDS if re.match(pattern, key))
            yield Row(key, sparse(key.removeprefix(stage), stages[stage]), golden[key], bound)


def _layers(seen) -> dict:
    eighth, quarter = seen["backbone"]
    stages = {
        "stem_norm1": jnp.maximum(seen["backbone/norm1"][:1], 0),  # PyTorch's ReLU was in place
        "layer1": seen["backbone/layer1_1"][:1],
        "layer2": seen["backbone/layer2_1"][:1],
        "upsample_logits": seen["weights"][0],
    }
    for scale, maps in ((8, eighth), (4, quarter)):
        stages |= {f"backbone{scale}_frame{i}": maps[i : i + 1] for i in range(2)}
    for scale, first in ((8, 0), (4, 6)):
        stages |= {f"trans_block{i}_{scale}_frame0": seen["block"][first + i][:1] for i in range(2)}
    return stages
