"""RRDB after each stage against Real-ESRGAN's, with the published weights (float32)."""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from PIL import Image

from daflow_jax.metrics.image import STABILISERS
from daflow_jax.models.rrdb import blocks
from tests.models.parity import Row
from tests.models.parity_raft import sparse
from tests.models.real_weights import psnr

INPUTS = ("lr", "clean", "psnr_bgr", "psnr_bicubic", "ssim_bicubic", "sharp_clean", "sharp_bicubic")
SSIM_WINDOW = 7  # the fixture's SSIM is that of scikit-image: uniform weights, sample covariance
BLOCKS = (1, 3, 6, 9, 23)


def rows(model: Any, golden: Any) -> Iterator[Row]:
    """Yields a row for every array of a fixture; `model` is the loaded network."""
    module, variables = model.module, model.variables
    images = np.asarray(golden["lr"], np.float32) / 255
    stages = {k: np.asarray(v) for k, v in _stages(module, variables, images).items()}
    for name in golden:
        stage = max((k for k in stages if f"{name}_".startswith(f"{k}_")), key=len, default=None)
        if stage is not None:
            ours = sparse(name.removeprefix(stage), stages[stage])
            yield Row(name, ours, golden[name], _tolerance(name))
    clean = np.asarray(golden["clean"], np.float32) / 255
    out = np.clip(stages["output"], 0, 1)
    yield Row("psnr_output", psnr(out, clean)[0], golden["psnr_output"], 0.01)
    yield Row("ssim_output", _ssim(out[0], clean[0]), golden["ssim_output"], 1e-3)
    boxes = _box_down(out[0], images.shape[1:3])
    name = "psnr_down_vs_input"
    yield Row(name, psnr(boxes, images[0]), golden[name], 0.01)
    yield Row("sharp_output", _sharpness(out), golden["sharp_output"], 1e-5)


def _ssim(ours, clean) -> float:
    windows = [
        np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (SSIM_WINDOW,) * 2, (0, 1))
        for x in (ours, clean)
    ]
    a, b = windows
    mean_a, mean_b = a.mean((-2, -1)), b.mean((-2, -1))
    unbiased = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
    covariance = unbiased * ((a * b).mean((-2, -1)) - mean_a * mean_b)
    variances = unbiased * ((a * a + b * b).mean((-2, -1)) - mean_a**2 - mean_b**2)
    c1, c2 = STABILISERS
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((top / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))).mean())


def _sharpness(frames) -> float:
    """Returns the mean absolute difference of neighbours, of both axes together."""
    return float(sum(np.abs(np.diff(frames, axis=axis)).mean() for axis in (1, 2)))


def _box_down(picture, size) -> np.ndarray:
    """Returns the eight-bit picture as Pillow averages it down to (height, width)."""
    small = Image.fromarray(np.rint(255 * picture).astype(np.uint8))
    return np.asarray(small.resize(size[::-1], Image.Resampling.BOX), np.float32) / 255


def _tolerance(name: str) -> float:
    if name.startswith(("block23", "trunk", "up", "output")):
        return 1e-4
    return 1e-5


def _stages(module, variables, images):
    names = ("conv_first", "conv_body", "conv_up1", "conv_up2")

    @jax.jit
    def run(variables, images):
        seen = {}

        def note(method, args, kwargs, context):
            out = method(*args, **kwargs)
            if context.module.name in names and context.method_name == "__call__":
                seen[context.module.name] = out
            return out

        with nn.intercept_methods(note):
            out = module.apply(variables, images, method="enlarge")
        after = [n - 1 for n in BLOCKS]
        features = module.apply(variables, images, after, method="features")
        inner = variables["params"]["block0"]["dense1"].values()
        kernels = tuple((conv["kernel"], conv["bias"]) for conv in inner)
        return seen, out, features, blocks.dense(seen["conv_first"], kernels)

    seen, out, features, dense = run(variables, images)
    found = {f"block{n}": x for n, x in zip(BLOCKS, features, strict=True)}
    return found | {
        "rdb1": dense,
        "conv_first": seen["conv_first"],
        "trunk_sum": seen["conv_first"] + seen["conv_body"],
        "up1": nn.leaky_relu(seen["conv_up1"], 0.2),
        "up2": nn.leaky_relu(seen["conv_up2"], 0.2),
        "output": out,
    }
