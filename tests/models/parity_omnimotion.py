"""Rows of the comparison with OmniMotion's networks and losses (authors' code, recipe weights)."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import models
from daflow_jax.fitting.tracks import objective
from daflow_jax.ops import rays
from tests.golden import weights as recipe
from tests.models.parity import Row

HERE = Path(__file__).parents[1] / "golden/motion_ssl"
INPUTS = (
    "pixels", "target", "rgb", "point_weight", "depth_jitter", "ids1", "ids2", "coupling_masks",
)  # fmt: skip
LOSSES = ("flow", "rgb", "rgb_gradient", "depth", "distortion", "smoothness", "gradient")
BY = objective.Weights(rgb=1.3, depth=10, distortion=0.7, smoothness=20, gradient=0.01)


def folder() -> Path:
    """Returns where all sets lie, set `a` alone in this checkout."""
    return Path(os.environ.get("DAFLOW_MOTION_GOLDEN", HERE))


def has(part: str) -> bool:
    """Returns whether the fixture of a set is there."""
    return (folder() / f"omnimotion_{part}.npz").is_file()


def golden(part: str) -> dict[str, np.ndarray]:
    """Returns the arrays of a set."""
    with np.load(folder() / f"omnimotion_{part}.npz") as file:
        return dict(file)


def names(part: str) -> dict:
    """Returns names, shapes and sizes of a set."""
    return json.loads((folder() / f"names/omnimotion_{part}.json").read_text())


def published(part: str, seed: int) -> dict[str, np.ndarray]:
    """Returns the published parameters by their names."""
    table = names(part)["params"]
    found = recipe.state_dict(table, seed)
    for name in found:
        if "affine_mlp" in name:
            found[name] = np.float32(0.25) * found[name]
        if re.search(r"(feature|color)\.output_linear", name):
            found[name] = np.float32(4) * found[name]
    return found


def module(part: str):
    """Returns our network of a fixture's sizes."""
    shapes, sizes = names(part)["params"], names(part)["sizes"]
    masks = golden(part)["coupling_masks"]
    return models.build(
        models.preset(
            "omnimotion",
            frames=sizes["frames"],
            height=sizes["h"],
            width=sizes["w"],
            changed=tuple(int(np.argmin(mask)) for mask in masks),
            code=shapes["feature.output_linear.weight"][0],
            code_hidden=shapes["feature.output_linear.weight"][1],
            projection=shapes["deform.layers1.0.projection.proj.0.weight"][0],
            hidden=shapes["deform.layers1.0.map_st.0.mlp.0.weight"][0],
            field=shapes["color.output_linear.weight"][1],
            affine=sizes["affine"],
            samples=golden(part)["depth_jitter"].shape[-1],
        )
    )


def place_of(name: str) -> tuple[str, ...]:
    """Returns the path of a published parameter among ours, without the kernel's halves."""
    leaf = {"weight": "kernel", "bias": "bias"}.get(
        name.rpartition(".")[2], name.rpartition(".")[2]
    )
    if name.startswith(("feature", "color")):
        top = "times" if name.startswith("feature") else "field"
        if ".filters." in name:
            return top, f"filter{name.split('.')[2]}", leaf
        part = "out" if "output" in name else f"linear{name.split('.')[2]}"
        return top, part, leaf
    if "affine" in name:
        number = int(name.split(".")[3])
        return "bijection", "affine", "out" if number == 7 else f"hidden{number}", leaf
    number, inner = name.split(".")[2], int(name.split(".")[-2])
    if "code_projectors" in name:
        return "bijection", f"code{number}" + ("_hidden" if inner == 0 else ""), leaf
    if "projection" in name:
        return "bijection", f"coupling{number}", "project", leaf
    part = {0: "first", 6: "out"}.get(inner, f"hidden{inner // 2}")
    return "bijection", f"coupling{number}", part, leaf


def ours(state: dict[str, np.ndarray], projection: int) -> dict:
    """Returns published parameters as ours, nested."""
    tree: dict = {}

    def put(path, value):
        node = tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = jnp.asarray(value)

    for name, value in state.items():
        path = place_of(name)
        if path[-1] == "kernel":
            value = value.T
        if path[-2:] == ("first", "kernel"):
            code = len(value) - projection  # its inputs: the code, then the coordinates
            put((*path[:-2], "first_code", "kernel"), value[:code])
            value = value[code:]
        put(path, value)
    return tree


def norms(grads: dict, order: list[str]) -> np.ndarray:
    """Returns the norms of gradients in the published order."""

    def get(path):
        node = grads
        for step in path:
            node = node[step]
        return np.sum(np.square(np.asarray(node, np.float64)))

    out = []
    for name in order:
        path = place_of(name)
        total = get(path)
        if path[-2:] == ("first", "kernel"):
            total += get((*path[:-2], "first_code", "kernel"))
        out.append(np.sqrt(total))
    return np.array(out)


def rows(part: str) -> Iterator[Row]:
    """Yields the rows of a set ("a": with the 2-D map, "b": without)."""
    g, net = {k: jnp.asarray(v) for k, v in golden(part).items()}, module(part)
    params = ours(published(part, "ab".index(part)), net.config.projection)
    apply = jax.jit(net.apply, static_argnames="method")  # a program each is quicker than each op
    call = lambda method, *args: apply({"params": params}, *args, method=method)  # noqa: E731
    yield from _maps(g, net, call)
    batch = objective.Batch(
        g["ids1"], g["ids2"], g["pixels"], g["target"], g["rgb"], g["point_weight"][..., 0],
        g["depth_jitter"],
    )  # fmt: skip

    def loss(params):
        found = objective.parts(net, params, batch)
        return objective.total(found, BY), found

    (value, found), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
    values = np.array([*(found[name] for name in LOSSES), value])
    yield Row("losses", values, g["losses"], 6e-4)
    order = names(part)["gradient_order"]
    yield Row("grad_norms", norms(grads, order), g["grad_norms"], 5e-2, "relative")


def _maps(g, net, call) -> Iterator[Row]:
    size = net.config.height, net.config.width
    frames = jnp.arange(net.config.frames)
    yield Row("feature", call("codes", frames)[1], g["feature"], 1e-6)
    given = g["pixels"], g["ids1"], g["ids2"]
    found = call("predictions", *given, g["depth_jitter"])
    yield Row("x1", found.here, g["x1"], 1e-6)
    there, canonical = call("moved", g["x1"], g["ids1"], g["ids2"])
    yield Row("canonical", canonical, g["canonical"], 4e-4)
    yield Row("x2", there, g["x2"], 7e-3)
    back = call("from_canonical", canonical, g["ids1"])
    yield Row("roundtrip_error", np.abs(back - g["x1"]).max()[None], g["roundtrip_error"], 3e-5)
    color, density = call("radiance", g["canonical"])
    yield Row("color", color, g["color"], 4e-6)
    yield Row("density", density, g["density"], 4e-6)
    seen = call("seen", g["canonical"])
    yield Row("alpha", seen.alpha, g["alpha"], 4e-6)
    yield Row("weights", seen.weights, g["weights"], 4e-6)
    yield Row("pred_rgb", seen.rgb, g["pred_rgb"], 4e-6)
    yield Row("px2", found.place, g["px2"], 1e-3)
    yield Row("in_range", np.asarray(rays.inside(found.place, *size)), g["in_range"], 0, "exact")
    yield from _inference(g, net, call)


def _inference(g, net, call) -> Iterator[Row]:
    """Yields what is found with the heaviest sample of every ray."""
    seen = call("seen", g["canonical"])
    chosen = rays.heaviest(seen.weights, g["x2"])
    size = net.config.height, net.config.width
    yield Row("px2_max", rays.project(chosen, *size), g["px2_max"], 2.2e-3)
    yield Row("depth_max", chosen[..., 2], g["depth_max"], 1.1e-4)
    depth = rays.depths(net.config.samples)
    on_ray = call("to_canonical", rays.lift(g["px2_max"], depth, *size), g["ids2"])
    hidden = rays.in_front(call("seen", on_ray).weights, depth, jnp.asarray(g["depth_max"]))
    yield Row("occlusion_score", hidden, g["occlusion_score"], 7e-7)
