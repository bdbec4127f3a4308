"""Video restoration against its fixtures: the refinement block, degradations, noise, scores, loss.

`tests/golden/restoration` holds set a, which the tests read; DAFLOW_GOLDEN_RESTORATION names a
folder with all sets.
"""

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.convert import engine
from daflow_jax.degrade import blur_down, matlab_resize, published_noise
from daflow_jax.losses import temporal
from daflow_jax.metrics import quality
from daflow_jax.models.jffra import block
from daflow_jax.models.jffra.config import BlockConfig
from daflow_jax.ops import local_correlation, occlusion, warp
from tests.golden import weights
from tests.models.parity import Row

OWN = Path(__file__).parents[1] / "golden" / "restoration"
GOLDEN = Path(os.environ.get("DAFLOW_GOLDEN_RESTORATION", OWN))
BLOCKS = {"a": ("block_c16", 0), "b": ("block_c8", 1)}
INPUTS = {
    "block": ("f", "d"),
    "correlation": ("f1", "f2", "flow"),
    "degradation": ("hq", "bi4_no_antialias"),
    "noise": ("sigma255", "seed"),
    "quality": ("gt", "out", "case_names", "f64_psnr_y_rounded", "f64_psnr_jpeg_luma"),
    "temporal": (
        *("gt_prev", "gt_cur", "out_prev", "out_cur", "flow_cur_to_prev", "occluded"),
        *(f"{kind}_{form}" for kind in ("mask", "f64_loss") for form in
          ("sqsum", "meansq", "perchannel")),
    ),
}  # fmt: skip
_LITERAL = BlockConfig(heads=2, head=(32, 32), norm=False)


def available() -> list[str]:
    """Returns the fixtures that are there, "block_a"."""
    names = (f"{name}_{part}" for name in INPUTS for part in "ab")
    return [name for name in names if (GOLDEN / f"{name}.npz").exists()]


def rows(name: str, part: str) -> Iterator[Row]:
    """Yields a row for every array of the fixture NAME_PART but its inputs."""
    golden = np.load(GOLDEN / f"{name}_{part}.npz")
    return _ROWS[name](golden, part)


def files(name: str, part: str) -> list[str]:
    """Returns the names of a fixture's arrays."""
    return list(np.load(GOLDEN / f"{name}_{part}.npz"))


def _parameters(part: str) -> tuple[dict, list[str]]:
    name, seed = BLOCKS[part]
    known = json.loads((GOLDEN / "names" / f"{name}.json").read_text())
    state = weights.state_dict(known["params"], seed)
    ours = {}
    for key, array in state.items():
        layer, kind = key.rsplit(".", 1)
        array = array if kind == "bias" else engine.conv(array) if array.ndim == 4 else array.T
        ours[f"{_PLACES[layer]}/{'bias' if kind == 'bias' else 'kernel'}"] = jnp.asarray(array)
    return engine.unflatten(ours), known["named_parameters"]


_PLACES = {
    "flow_head.0": "flow_head/conv0",
    "flow_head.2": "flow_head/conv1",
    "flow_head.4": "flow_head/out",
    "to_q": "attention/query",
    "to_k": "attention/key",
    "to_v": "attention/value",
    "proj": "attention/out",
}


def _block(golden, part):
    params, names = _parameters(part)
    module = block.Block(_LITERAL)
    joint = module.clone(config=BlockConfig(heads=2, head=(32, 32), norm=False, queries="all"))

    def loss(params, f, d):
        out = cast(block.Refined, module.apply({"params": params}, f, d))
        refined = block.middle(out.features)
        total = jnp.mean(refined**2) + 0.1 * jnp.mean(jnp.abs(out.flow))
        return total, out

    f, d = jnp.asarray(golden["f"]), jnp.asarray(golden["d"])
    grad = jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))
    (total, out), grads = grad(params, f, d)
    both = cast(block.Refined, jax.jit(joint.apply)({"params": params}, f, d))
    # the fixture's `joint` is aligned + residual; the network adds the residual to the neighbours
    aligned = block.between(block.middle(f), both.aligned)
    ours = {
        "projected": out.projected,
        "cost_s2": out.cost[:, :, ::2, ::2],
        "flow": out.flow,
        "aligned": out.aligned,
        "refined": block.middle(out.features),
        "joint": both.features - f + aligned,
    }
    for key, value in ours.items():
        yield Row(key, value, golden[key], 5e-5)
    yield Row("loss", total[None], golden["loss"], 1e-6)
    yield Row("grad_f", 1e3 * grads[1], golden["grad_f"], 1e-4)
    yield Row("grad_d", 1e3 * grads[2], golden["grad_d"], 1e-4)
    flat = engine.flatten(grads[0])
    norms = []
    for name in names:
        layer, kind = name.rsplit(".", 1)
        norms.append(
            jnp.linalg.norm(flat[f"{_PLACES[layer]}/{'bias' if kind == 'bias' else 'kernel'}"])
        )
    yield Row("grad_norms", np.stack(norms), golden["grad_norms"], 1e-3, "relative")


def _correlation(golden, part):
    first, second = jnp.asarray(golden["f1"])[None], jnp.asarray(golden["f2"])[None]
    warped = warp.warp(second, jnp.asarray(golden["flow"])[None])
    correlate = functools.partial(local_correlation.local_correlation, radius=4)
    yield Row("warped", warped[0], golden["warped"], 1e-5)
    yield Row("corr", correlate(first, second)[0], golden["corr"], 1e-5)
    yield Row("corr_warped", correlate(first, warped)[0], golden["corr_warped"], 1e-5)


def _degradation(golden, part):
    hq = golden["hq"] / 255.0
    bi4, bd = matlab_resize.resize(hq, 0.25), blur_down.blur_down(hq)
    yield Row("bi4", bi4, golden["bi4"], 1e-6)
    yield Row("bi2", matlab_resize.resize(hq, 0.5), golden["bi2"], 1e-6)
    yield Row("row_weights_bi4", matlab_resize.weights(16, 0.25), golden["row_weights_bi4"], 1e-6)
    grown = matlab_resize.resize(golden["bi4_u8"] / 255.0, 4)
    yield Row("up4_of_bi4_u8", grown, golden["up4_of_bi4_u8"], 1e-6)
    yield Row("bd", bd, golden["bd"], 1e-6)
    yield Row("bd_kernel", np.outer(*2 * (blur_down.kernel(12),)), golden["bd_kernel"], 1e-6)
    yield Row("duf", blur_down.duf_down(hq), golden["duf"], 1e-6)
    for key, made in (("bi4_u8", bi4), ("bd_u8", bd)):
        ours = np.round(255 * matlab_resize.stored(made)).astype(np.uint8)
        near_half = np.abs(255 * made % 1 - 0.5) < 1e-4
        yield Row(key, np.where(near_half, golden[key], ours), golden[key], 0, "exact")


def _noise(golden, part):
    sigma, seed = int(golden["sigma255"]), int(golden["seed"])
    ours = published_noise.of_clip(golden["noise"].shape, sigma, seed)
    yield Row("noise", ours, golden["noise"], 2e-7)
    first = (published_noise.uniform(8, seed) * 2**24).astype(np.int32)
    yield Row("first_uniform24", first, golden["first_uniform24"], 0, "exact")


def _quality(golden, part):
    gt, out = golden["gt"], golden["out"]
    luma = [quality.luma(x) for x in (gt, out)]
    yield Row("gt_y", luma[0][..., 0], golden["gt_y"], 2e-5)
    yield Row("out_y", luma[1][..., 0], golden["out_y"], 2e-5)
    cases = [
        [quality.cut(x, border) for x in pair] for border in (0, 4) for pair in ((out, gt), luma)
    ]
    psnr, ssim = ([f(*case) for case in cases] for f in (quality.psnr, quality.ssim))
    yield Row("f64_psnr", np.array(psnr), golden["f64_psnr"], 1e-5)
    yield Row("f64_ssim", np.array(ssim), golden["f64_ssim"], 1e-6)
    volume = np.array([quality.ssim_volume(out, gt)])
    yield Row("f64_ssim3d_rgb", volume, golden["f64_ssim3d_rgb"], 1e-6)


def _temporal(golden, part):
    names = ("gt_prev", "gt_cur", "out_prev", "out_cur", "flow_cur_to_prev")
    true, flow = [jnp.asarray(golden[k])[None] for k in names[:2]], golden["flow_cur_to_prev"]
    flow = jnp.asarray(flow)[None]

    def loss(previous, current):
        return tuple(temporal.temporal_loss((previous, current), (true[0], true[1]), flow))

    restored = [jnp.asarray(golden[k])[None] for k in names[2:4]]
    grad = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))
    (total, mask), (previous, current) = grad(*restored)
    yield Row("warped_gt", warp.warp(true[0], flow)[0], golden["warped_gt"], 1e-6)
    yield Row("warped_out", warp.warp(restored[0], flow)[0], golden["warped_out"], 1e-6)
    # of the published warped frame: the mask magnifies the float32 of a coordinate five times
    own = occlusion.unchanged(jnp.asarray(golden["warped_gt"])[None], true[1])
    yield Row("mask_sumsq", own[0], golden["mask_sumsq"], 1e-6)
    both = np.array([total, total / jnp.mean(mask)])
    yield Row("f64_loss_sumsq", both, golden["f64_loss_sumsq"], 1e-6)
    error = jnp.mean(jnp.abs(restored[1] - true[1]))
    totals = np.array([error, error + 0.2 * total])
    yield Row("f64_total_1_02", totals, golden["f64_total_1_02"], 1e-6)
    gap = np.abs(golden["out_cur"] - golden["warped_out"]) < 1e-6  # the sign is not known there
    for key, ours in (("grad_out_cur", current), ("grad_out_prev", previous)):
        published = golden[key]
        ours = np.where(gap & (key == "grad_out_cur"), published, 1e4 * np.asarray(ours[0]))
        yield Row(key, ours, published, 1e-4, "peak")


_ROWS = {
    "block": _block,
    "correlation": _correlation,
    "degradation": _degradation,
    "noise": _noise,
    "quality": _quality,
    "temporal": _temporal,
}
