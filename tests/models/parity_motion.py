"""FlowE, PooDLe and the fit of Guess What Moves, array by array, against the published arithmetic.

Fixtures lie in tests/golden/motion_ssl; DAFLOW_MOTION_GOLDEN names a folder with all sets of them.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.losses import dense_agreement, flow_fit
from daflow_jax.models.resnet import decoder
from daflow_jax.nn import heads
from daflow_jax.ops import affine, crops, dense_views, moving_average, occlusion, subcrops, warp
from daflow_jax.train import schedule
from tests.golden import weights
from tests.models.parity import Row

OWN = Path(__file__).parents[1] / "golden" / "motion_ssl"
FOLDER = Path(os.environ.get("DAFLOW_MOTION_GOLDEN", OWN))
SEEDS = {"a": 0, "b": 1, "c": 2}
COUNTED = 1e-7  # PooDLe's, added to the number of valid pixels
FLOWE_INPUTS = ("flows", "student", "teacher", "angle", "scale", "flip", "threshold", "stride")
POODLE_INPUTS = (
    *(f"{side}feat{k}" for side in ("", "teacher_") for k in (1, 2, 3)),
    *("pooled_online", "pooled_teacher", "flows", "schedule_step", "crop_image_u8"),
    *(f"crop_{name}" for name in ("mid", "hw", "teacher_hw", "flow", "jitter")),
)
GWM_INPUTS = ("logits", "flow", "labels", "flow_exact", "features", "affinity")


def golden(name: str) -> dict[str, Any]:
    """Returns the arrays of a fixture, those in float64 as they are."""
    found = np.load(FOLDER / f"{name}.npz")
    return {key: x if key.startswith("f64_") else jnp.asarray(x) for key, x in found.items()}


def names(name: str) -> dict[str, Any]:
    """Returns names and shapes of a fixture's parameters."""
    return json.loads((FOLDER / "names" / f"{name}.json").read_text())


def state_of(shapes: dict[str, Any], part: str) -> dict[str, jax.Array]:
    """Returns the parameters that the recipe makes for a set."""
    made = weights.state_dict(shapes, SEEDS[part])
    return {name: jnp.asarray(x) for name, x in made.items()}


def has(name: str) -> bool:
    """Returns whether the set is there."""
    return (FOLDER / f"{name}.npz").is_file()


def norms(grads: dict[str, Any], order: list[str]) -> np.ndarray:
    """Returns the length of every gradient."""
    return np.array([np.linalg.norm(np.asarray(grads[n], np.float64)) for n in order])


def flowe(part: str) -> Iterator[Row]:
    """Yields a row for every array of FlowE's fixture."""
    g = golden(f"flowe_{part}")
    size = g["flows"].shape[1:3]
    matrix = affine.about_centre(g["angle"], g["scale"], size)
    yield Row("f64_affine", matrix, g["f64_affine"], 2e-5)
    own, their = (
        dense_views.make(jnp.asarray(g["f64_affine"][k], jnp.float32), g["flip"][k], size)
        for k in (0, 1)
    )
    yield Row("affine_ok", np.stack([own.covered, their.covered]), g["affine_ok"], 0, "exact")
    error = dense_agreement.round_trip(g["flows"], g["flows"][::-1])
    yield Row("fb_error", error, g["fb_error"], 1e-4)
    ok = np.asarray(error <= g["threshold"])
    yield Row("ok", ok, g["ok"], 0, "exact")
    where = dense_views.points(size)
    inside = dense_views.inside(where + g["flows"], size)
    yield Row("inside", inside, g["inside"], 0, "exact")
    target = dense_views.on_pixels(g["teacher"], their.flip, size)
    found = {
        name: dense_views.along_flow(target, their, g["flows"], where, order)
        for name, order in (("right", "exact"), ("published", "as_published"))
    }
    landing = dense_views.landing_known(g["flows"], their, where)
    valid = {"right": ok & own.covered & landing, "published": ok & own.covered & their.covered}

    def losses(student):
        online = dense_views.on_pixels(student, own.flip, size)
        online = dense_views.at_frame(online, own, where)
        agreed = {n: dense_agreement.agreement(online, found[n], valid[n]) for n in found}
        return jnp.mean(agreed["right"]), (agreed, online)

    grad, (agreed, online) = jax.grad(losses, has_aux=True)(g["student"])
    yield Row("student_on_frame", online, g["student_on_frame"], 2e-5)
    for name in found:
        yield Row(f"teacher_{name}", found[name], g[f"teacher_{name}"], 2e-5)
        yield Row(f"valid_{name}", valid[name], g[f"valid_{name}"], 0, "exact")
        yield Row(f"f64_loss_{name}", agreed[name], g[f"f64_loss_{name}"], 1e-5, "relative")
    yield Row("grad_student_x1000", 1000 * grad, g["grad_student_x1000"], 1e-5, "peak")
    yield from _flowe_others(g, (own, their), (ok, landing, inside), where)


def _flowe_others(g, views, masks, where) -> Iterator[Row]:
    """Yields the two further forms that the fixture holds: two samplings, and no affine map."""
    (own, their), (ok, landing, inside) = views, masks
    size = g["flows"].shape[1:3]
    online = dense_views.on_pixels(g["student"], own.flip, size)
    target = dense_views.on_pixels(g["teacher"], their.flip, size)
    still = own._replace(matrix=jnp.broadcast_to(jnp.eye(3), (2, 3, 3)))
    moved = dense_views.along_flow(target, still, g["flows"], where)
    plain = dense_agreement.agreement(online, moved, ok & inside)
    yield Row("f64_loss_plain", plain, g["f64_loss_plain"], 1e-5, "relative")
    framed = dense_views.at_frame(target, their, where)
    twice = dense_views.along_flow(framed, still, g["flows"], where)
    seen = dense_views.at_frame(online, own, where)
    loss = dense_agreement.agreement(seen, twice, ok & own.covered & landing)
    yield Row("f64_loss_two_samplings", loss, g["f64_loss_two_samplings"], 1e-5, "relative")


def poodle(part: str) -> Iterator[Row]:
    """Yields a row for every array of PooDLe's fixture."""
    g, described = golden(f"poodle_{part}"), names(f"poodle_{part}")
    shapes = described["params"]
    state = state_of(shapes, part)
    other = state_of({f"teacher_{n}": s for n, s in shapes.items()}, part)
    teacher = _Poodle({n.removeprefix("teacher_"): x for n, x in other.items()}, described)
    target, _ = teacher.dense(g, "teacher_")
    yield Row("teacher_projected", target, g["teacher_projected"], 2e-5)
    yield from _geometry(g)

    def total(params):
        online = _Poodle({**state, **params}, described)
        out, seen = online.dense(g)
        losses = _dense(g, online.head("dense_predictor", out), target)
        first = online.head("pooled_predictor", online.head("pooled_projector", g["pooled_online"]))
        second = teacher.head("pooled_projector", g["pooled_teacher"])
        pooled = dense_agreement.cosine_distance(first, second)
        seen |= losses | {"pooled": pooled, "predicted": online.head("dense_predictor", out)}
        return 0.5 * jnp.mean(losses["dense_exact"]) + 0.5 * jnp.mean(pooled), seen

    order = described["gradient_order"]
    learned = {name: state[name] for name in order}
    (loss, seen), grads = jax.jit(jax.value_and_grad(total, has_aux=True))(learned)
    tolerance = {"bn1_running": 1e-6, "dense_exact": 4e-6, "dense_published": 4e-6, "pooled": 6e-6}
    for name, ours in seen.items():
        yield Row(name, ours, g[name], tolerance.get(name, 2e-5))
    yield Row("total_exact", loss[None], g["total_exact"], 1e-6)
    yield Row("grad_norms", norms(grads, order), g["grad_norms"], 1e-5, "relative")
    running = _Poodle(state, described, train=False)
    out, seen = running.dense(g)
    yield Row("decoded_eval", seen["decoded"], g["decoded_eval"], 2e-5)
    yield Row("predicted_eval", running.head("dense_predictor", out), g["predicted_eval"], 2e-5)


class _Poodle:
    """One side of PooDLe with published parameters."""

    def __init__(self, state, described, train=True):
        self.state, self.train = state, train
        self.widths, self.factor = described["decoder_dims"], described["decoder_hidden_dim_factor"]

    def dense(self, g, prefix=""):
        """Returns projected cells, and decoded maps and statistics by name."""
        maps = {g[f"{prefix}feat{k}"].shape[1]: g[f"{prefix}feat{k}"] for k in (1, 2, 3)}
        seen = {}
        params, stats = self._decoder()
        for name, count in (("decoded_step0", 1), ("decoded", 2)):
            module = decoder.SpatialDecoder(tuple(self.widths[:count]), self.factor)
            seen[name], new = module.apply(
                {"params": params, "batch_stats": stats},
                g[f"{prefix}feat3"], maps, self.train, mutable=["batch_stats"],
            )  # fmt: skip
        first = new["batch_stats"]["block0"]["conv1"]["norm"]
        seen["bn1_running"] = jnp.stack([first["mean"], first["var"]])
        return self.head("dense_projector", seen["decoded"]), seen

    def head(self, name, x):
        """Returns what a projector or predictor makes of `x`."""
        p = self.state
        dense = {
            f"dense{k}": {
                "kernel": p[f"{name}.{n}.weight"][:, :, 0, 0].T,
                "bias": p[f"{name}.{n}.bias"],
            }
            for k, n in ((1, 0), (2, 3))
        }
        norm, stats = self._norm(f"{name}.1")
        variables = {"params": dense | {"norm": norm}, "batch_stats": {"norm": stats}}
        hidden, features = dense["dense1"]["bias"].size, dense["dense2"]["bias"].size
        module = heads.ProjectionMLP(hidden, features)
        return module.apply(variables, x, self.train, mutable=["batch_stats"])[0]

    def _norm(self, name):
        p = self.state
        own = {"scale": p[f"{name}.weight"], "bias": p[f"{name}.bias"]}
        return own, {"mean": p[f"{name}.running_mean"], "var": p[f"{name}.running_var"]}

    def _decoder(self):
        params, stats = {}, {}
        for step in range(len(self.widths)):
            block = f"decoder_blocks.{step}"
            pairs = {f"conv{k}": (f"{block}.conv{k}", f"{block}.bn{k}") for k in (1, 2, 3)}
            if f"{block}.downsample.0.weight" in self.state:
                pairs["shortcut"] = f"{block}.downsample.0", f"{block}.downsample.1"
            own, running = {}, {}
            for name, (conv, norm) in pairs.items():
                norm, running_norm = self._norm(norm)
                own[name] = {"conv": {"kernel": _kernel(self.state, conv)}, "norm": norm}
                running[name] = {"norm": running_norm}
            params[f"block{step}"], stats[f"block{step}"] = own, running
            lateral = f"decoder_laterals.{step}"
            if f"{lateral}.weight" in self.state:
                bias = self.state[f"{lateral}.bias"]
                params[f"lateral{step}"] = {"kernel": _kernel(self.state, lateral), "bias": bias}
        return params, stats


def _kernel(state, name):
    return state[f"{name}.weight"].transpose(2, 3, 1, 0)


def _dense(g, online, target):
    size = g["flows"].shape[1:3]
    still = jnp.broadcast_to(jnp.eye(3), (2, 3, 3))
    view = dense_views.View(still, jnp.zeros(2, bool), jnp.ones((2, *size), bool))
    where = dense_views.points(size)
    valid = g["occlusion_ok"] & g["inside"]
    online, target = (dense_views.on_pixels(x, view.flip, size) for x in (online, target))
    out = {}
    for name, order in (("dense_exact", "exact"), ("dense_published", "as_published")):
        moved = dense_views.along_flow(target, view, g["flows"], where, order)
        out[name] = dense_agreement.agreement(online, moved, valid, COUNTED)
    return out


def _geometry(g) -> Iterator[Row]:
    flow, backward = g["flows"], g["flows"][::-1]
    error = dense_agreement.round_trip(flow, backward)
    yield Row("fb_error", error, g["fb_error"], 1e-4)
    hidden = occlusion.forward_backward_mask(flow, backward, "squared", 0.1, 0.5)
    yield Row("occlusion_ok", ~np.asarray(hidden), g["occlusion_ok"], 0, "exact")
    returned = warp.warp(backward, flow)
    square = [np.sum(np.square(np.asarray(x)), -1) for x in (flow + returned, flow, returned)]
    margin = square[0] - (0.1 * (square[1] + square[2]) + 0.5)
    yield Row("occlusion_margin", margin, g["occlusion_margin"], 2e-4)
    size = flow.shape[1:3]
    inside = dense_views.inside(dense_views.points(size) + flow, size)
    yield Row("inside", inside, g["inside"], 0, "exact")
    keys = (f"crop_{name}" for name in ("mid", "hw", "teacher_hw", "flow", "jitter"))
    drawn = subcrops.boxes(*(g[key] for key in keys), g["crop_image_u8"].shape[:2])
    yield Row("crop_paired", drawn.paired, g["crop_paired"], 0, "exact")
    yield Row("box_online_xyxy", drawn.online, g["box_online_xyxy"], 0, "exact")
    yield Row("box_teacher_xyxy", drawn.teacher, g["box_teacher_xyxy"], 0, "exact")
    image = jnp.repeat(g["crop_image_u8"][None].astype(jnp.float32) / 255, 4, 0)
    for name, antialias in (("crops_antialias", True), ("crops_plain", False)):
        cut = crops.crop_and_resize(image, drawn.online[:4], (24, 24), antialias)
        yield Row(name, cut, g[name], 1e-5)
    epochs = 1000 * np.asarray(g["schedule_step"])  # as steps
    keep = moving_average.momentum(epochs, 0.996, 300_000)
    yield Row("f64_schedule_momentum", keep, g["f64_schedule_momentum"], 1e-6)
    for name, final in (("poodle", 0.0), ("flowe", 1e-4)):
        rate = schedule.cosine(5e-4, 300_000, 2000, final)
        ours = np.array([rate(epoch - 1 if epoch < 2000 else epoch) for epoch in epochs])
        ours[epochs == 0] = 0  # published warm-up counts from 0, ours from 1
        yield Row(f"f64_schedule_lr_{name}", ours, g[f"f64_schedule_lr_{name}"], 1e-9)


def gwm(part: str) -> Iterator[Row]:
    """Yields rows of the quadratic fit of Guess What Moves."""
    g = golden(f"gwm_{part}")
    count, size = g["logits"].shape[-1], g["flow"].shape[1:3]

    def masks(logits):
        soft = jax.nn.softmax(logits, -1)
        return jax.image.resize(soft, (len(soft), *size, count), "linear")

    def error(logits):
        return jnp.mean(flow_fit.reconstruction_error(masks(logits), g["flow"]))

    fitted, once = (flow_fit.fit(masks(g["logits"]), g["flow"], flag) for flag in (False, True))
    yield Row("theta", fitted.theta, g["theta"], 6e-4)
    yield Row("rec", fitted.flow, g["rec"], 6e-4)
    yield Row("rec_single_weight", once.flow, g["rec_single_weight"], 6e-4)
    loss, grad = jax.value_and_grad(error)(g["logits"])
    yield Row("f64_loss", loss[None], g["f64_loss"], 3e-6)
    yield Row("f64_loss_times_003", 0.03 * loss[None], g["f64_loss_times_003"], 1e-6)
    yield Row("grad_logits_x1000", 1000 * grad, g["grad_logits_x1000"], 3e-3)
    hard = jax.nn.one_hot(g["labels"], count)
    true = jnp.mean(flow_fit.reconstruction_error(hard, g["flow_exact"]))
    yield Row("f64_loss_true_masks", true[None], g["f64_loss_true_masks"], 1e-8)
