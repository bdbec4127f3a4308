"""BasicVSR and its SPyNet after each stage against the published network (float32)."""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from daflow_jax.models.basicvsr import recurrence
from daflow_jax.models.spynet import pyramid
from daflow_jax.nn import kernels
from tests.models.parity import Row
from tests.models.parity_raft import sparse
from tests.models.real_weights import psnr

INPUTS = ("lr", "hr_center", "odd_pair", "psnr_bicubic", "psnr_outputs")
MIDDLE = 2  # the frame of which most is kept
TILE = slice(96, 144)


def rows(model: Any, golden: Any) -> Iterator[Row]:
    """Yields a row for every array of a fixture; `model` is the loaded network."""
    clip = np.asarray(golden["lr"], np.float32)[None] / 255
    pair = np.asarray(golden["odd_pair"], np.float32)[None] / 255
    found = _stages(model.module, model.variables, clip)
    found |= _flows(model.module, model.variables, clip, "flow_{}_01", "flows_{}")
    found |= _flows(model.module, model.variables, pair, "odd_flow_{}")
    stages = {k: np.asarray(v) for k, v in found.items()}
    for name in golden:
        if name in INPUTS:
            continue
        stage = max((k for k in stages if f"{name}_".startswith(f"{k}_")), key=len)
        values = sparse(name.removeprefix(stage), stages[stage])
        yield Row(name, values, golden[name], _tolerance(name))
    ours = np.clip(stages["outputs"][MIDDLE : MIDDLE + 1], 0, 1)
    found = psnr(ours, np.asarray(golden["hr_center"], np.float32) / 255)
    yield Row("psnr_outputs", found[0], golden["psnr_outputs"][MIDDLE], 0.01)


def gain_over_bicubic(model: Any, golden: Any) -> float:
    """Returns how many dB the middle frame is nearer to the original than Pillow's bicubic."""
    small = golden["lr"][MIDDLE]
    size = tuple(4 * side for side in small.shape[1::-1])
    large = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    clean = np.asarray(golden["hr_center"][0], np.float32) / 255
    bicubic = psnr(np.asarray(large, np.float32) / 255, clean)
    ours = model(golden["lr"], window=len(golden["lr"]))[MIDDLE]
    return float(psnr(ours, clean) - bicubic)


def _tolerance(name: str) -> float:
    features = ("trunk", "warped", "feat", "fusion", "up1")
    return 1e-4 if name.startswith(features) else 5e-5


def _bound(module, function):
    """Returns a compiled function of (variables, clip) of the weights and the clip's frames."""
    run = nn.apply(lambda net, clip: function(net.weights(), jnp.moveaxis(clip, 1, 0)), module)
    return jax.jit(run)


def _flows(module, variables, clip, *names):
    def function(weights, frames):
        one, two = frames[:-1, 0], frames[1:, 0]
        pairs = (one, two), (two, one)
        return [pyramid.estimate(weights.spynet, *pair) for pair in pairs]

    flows = _bound(module, function)(variables, clip)
    found = {}
    for way, flow in zip(("backward", "forward"), flows, strict=True):
        found |= {n.format(way): flow if n.startswith("flows") else flow[:1] for n in names}
    return found


def _stages(module, variables, clip):
    def function(weights, frames):
        count, size = len(frames), frames.shape[2:4]
        levels = pyramid.levels(weights.spynet, frames[0], frames[1])
        found = {f"spynet_level{i}_in": level.inputs for i, level in enumerate(levels)}
        found |= {f"spynet_level{i}_flow": level.flow for i, level in enumerate(levels)}
        found |= _trunk(weights.backward, frames[-1])
        batched = jnp.moveaxis(frames, 0, 1)
        behind = recurrence.look_back(weights, batched, count)
        start = recurrence.start(1, size, behind.shape[-1])
        flow = pyramid.estimate(weights.spynet, frames[MIDDLE], frames[MIDDLE + 1])
        found["warped_backward_2"] = recurrence.moved(behind[MIDDLE + 1], flow)
        part = slice(0, MIDDLE + 1)
        _, state = recurrence.go_on(weights, batched[:, part], behind[part], start)
        found |= _head(weights.head, behind[MIDDLE], state.features)
        outputs, last = recurrence.go_on(weights, batched, behind, start)
        return found | {
            "feat_backward_2": behind[MIDDLE],
            "feat_backward_0": behind[0],
            "feat_forward_2": state.features,
            "feat_forward_last": last.features,
            "outputs": outputs[0],
            "output_2_tile": outputs[:, MIDDLE, TILE, TILE],
        }

    return _bound(module, function)(variables, clip)


def _trunk(trunk, frame):
    features = jnp.zeros((*frame.shape[:3], trunk.stem[0].shape[-1]))
    joined = jnp.concatenate([frame, features], axis=-1)
    stem = nn.leaky_relu(kernels.apply(trunk.stem, joined), recurrence.SLOPE)
    first = trunk._replace(blocks=jax.tree.map(lambda x: x[:1], trunk.blocks))
    after = recurrence.advance(first, frame, features)
    return {"trunk_stem_last": stem, "trunk_block0_last": after}


def _head(head, back, forth):
    joined = jnp.concatenate([back, forth], axis=-1)
    fused = nn.leaky_relu(kernels.apply(head.fusion, joined), recurrence.SLOPE)
    up = nn.leaky_relu(recurrence.shuffled(kernels.apply(head.up1, fused)), recurrence.SLOPE)
    return {"fusion_2": fused, "up1_2": up, "residual_2": recurrence.residual(head, back, forth)}
