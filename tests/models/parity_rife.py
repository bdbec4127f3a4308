"""Every array of the RIFE fixtures beside ours."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.losses import distillation, laplacian
from daflow_jax.models.rife import base, motion
from daflow_jax.ops import rescale
from tests.models import published_rife as published
from tests.models.parity import Row

INPUTS = ("image0", "image1", "target", "timestep")
# ten times the published networks' own float32 error; "big" flow reaches 150 px
FLOW, LOGIT, PICTURE, INNER, DEEP, BIG = 2.2e-4, 4e-5, 5e-5, 3e-5, 2e-4, 7e-4
BOUNDS = {
    "flow": FLOW,
    "t0.125_flow": FLOW,
    "t0.75_flow": FLOW,
    "tea_flow": FLOW,
    "mask_logit": LOGIT,
    "unet_": 1.1e-4,
    "fusion_": DEEP,
    "context": INNER,
    "block": 2e-5,
    "encode": 2e-5,
    "feat_last": 9e-4,
    "loss_lap": 1e-6,
}
_CAPTURED = ("__call__",)


def _bound(key: str, wide: float = 0) -> float:
    """Returns the tolerance of an array by its name."""
    name = key.rpartition("/")[2]
    found = [BOUNDS[start] for start in BOUNDS if name.startswith(start)]
    return max([*found[-1:], wide]) if found else max(PICTURE, wide)


def _rows(golden: Any, stages: dict[str, Any], wide: float = 0) -> Iterator[Row]:
    for key in golden:
        if key not in INPUTS and key.split("/")[0] not in ("big", "one_way_big"):
            yield Row(key, published.thinned(key, stages), golden[key], _bound(key, wide))
        elif "/" in key:
            yield Row(key, published.thinned(key, stages), golden[key], BIG)


def _times(golden: Any, time: float) -> jax.Array:
    return jnp.full(len(golden["image0"]), time)


@functools.partial(jax.jit, static_argnums=(0,))
def _trace(module, variables, pairs, times, target):
    """Returns the losses' view, the motions, and what every layer returned."""

    def run(module, pairs, times, target):
        return module.learn(pairs, times, target), module.estimate(pairs, times)

    import flax.linen as nn

    run = nn.apply(run, module, capture_intermediates=True, mutable=["intermediates"])
    (out, found), seen = run(variables, pairs, times, target)
    return out, found, seen["intermediates"]


def paper_rows(preset: str, part: str) -> Iterator[Row]:
    """Yields a row for every array of rife, rife_m or rife_2r."""
    name = preset.replace("-", "_")
    golden = published.fixture(f"{name}_{part}")
    module, variables = published.load(preset, part)
    pairs, target = published.pairs(golden), jnp.asarray(golden["target"].astype(np.float32) / 255)
    time = float(golden["timestep"]) if "timestep" in golden else 0.5
    out, found, seen = _trace(module, variables, pairs, _times(golden, time), target)
    stages = _paper_stages(pairs, out, found, seen, target)
    for at in (0.125, 0.75) if preset == "rife-m" else ():
        motions = module.apply(variables, pairs, _times(golden, at), method="estimate")
        result = module.apply(variables, pairs, *motions[-1], method="synthesize")
        stages |= {f"t{at}_flow": motions[-1].flow, f"t{at}_result": result}
    for row in _rows(golden, stages):
        loose = {"loss_distill": 1e-3 if preset == "rife-m" else 1e-5}
        yield row._replace(tolerance=loose.get(row.name, row.tolerance))


def _paper_stages(pairs, out, found, seen, target) -> dict[str, Any]:
    first = {
        "block0_conv0": seen["block0"]["conv0_1"]["__call__"][0],
        "block0_trunk": seen["block0"]["convblock"]["__call__"][0],
        "block1_trunk": seen["block1"]["convblock"]["__call__"][0],
    }
    for i, (state, merged) in enumerate(zip(found, out.blends)):
        first |= {f"flow_it{i}": state.flow, f"mask_logit_it{i}": state.logit}
        first[f"merged_it{i}"] = merged
    for i, two in enumerate(seen["contextnet"]["__call__"][0], 1):
        first |= {f"context{k}_f{i}": two[k] for k in (0, 1)}
    unet = seen["unet"]
    for name, layer in (("s0", "down0"), ("s3", "down3"), ("up0", "up0"), ("up3", "up3")):
        first[f"unet_{name}"] = unet[layer]["__call__"][0]
    warped = motion.warped(*base.split(pairs), found[-1].flow)
    lap, taught = (
        jnp.mean(laplacian.laplacian_loss(x, target)) for x in (out.frames, out.teacher_frames)
    )
    distill = distillation.flow_distillation(
        out.flows, out.blends, out.teacher_flow, out.teacher_frames, target
    )
    return first | {
        "mask": jax.nn.sigmoid(found[-1].logit),
        "warped0": warped[0],
        "warped1": warped[1],
        "blend": out.blends[-1],
        "unet_sigmoid": jax.nn.sigmoid(unet["__call__"][0]),
        "result": out.frames,
        "tea_flow": out.teacher_flow,
        "tea_merged": out.teacher_frames,
        "loss_lap": lap,
        "loss_lap_tea": taught,
        "loss_distill": jnp.mean(distill),
    }


def _call(module, variables, method: str, *args: Any, **options: Any) -> Any:
    """Returns what a method returns, and what every layer returned on the way."""
    options = {"method": method, "capture_intermediates": True, **options}
    run = functools.partial(module.apply, mutable=["intermediates"], **options)
    out, seen = jax.jit(run)(variables, *args)
    return out, seen["intermediates"]


def v31_rows(part: str) -> Iterator[Row]:
    """Yields a row for every array of rife_v31."""
    golden = published.fixture(f"rife_v31_{part}")
    module, variables = published.load("rife-3.1", part)
    pairs, stages = published.pairs(golden), {}
    for prefix, scale in (("", 1.0), ("scale05/", 0.5)):
        flows, _ = _call(module, variables, "estimate", pairs, _times(golden, 0.5), scale=scale)
        flow = rescale.rescale(flows[-1], 1 / scale) / scale
        out, seen = _call(module, variables, "fuse", pairs, flow)
        more = {f"flow_half_it{i}": x for i, x in enumerate(flows)}
        for i, two in enumerate(seen["contextnet"]["__call__"][0], 1):
            more |= {f"context{k}_f{i}": two[k] for k in (0, 1)}
        fusion = seen["fusionnet"]
        more |= {f"fusion_{name}": fusion[name]["__call__"][0] for name in ("down3", "up3")}
        full = motion.Motion(2 * rescale.rescale(flow, 2.0), out[..., 3:])
        more |= {"flow_half": flow, "fusion_out": out, "blend": base.blended(pairs, full)}
        more["pred"] = module.apply(variables, pairs, flow, method="synthesize")
        stages |= {prefix + key: value for key, value in more.items()}
    yield from _rows(golden, stages)


def v3_rows(preset: str, part: str) -> Iterator[Row]:
    """Yields a row for every array of rife_v35, or of one form of rife_v38."""
    golden = published.fixture(f"{published.NAMES[preset]}_{part}")
    ways = {
        "rife-3.5": (("", 1.0, {}),),
        "rife-3.8": (("two_way/", 1.0, {}), ("two_way_scale05/", 0.5, {})),
        "rife-3.8-one-way": (
            ("one_way/", 1.0, {}),
            ("one_way_big/", 1.0, {"block0.conv1.2.weight": 16.0}),
        ),
    }[preset]
    stages = {}
    for prefix, scale, factors in ways:
        module, variables = published.load(preset, part, factors)
        found = _estimate(module, variables, golden, 0.5, scale=scale)
        stages |= {prefix + k: x for k, x in _motion_stages(golden, found).items()}
    starts = tuple(prefix for prefix, _, _ in ways)
    some = {key: golden[key] for key in golden if key.startswith(starts) and key not in INPUTS}
    yield from _rows(some, stages)


def _estimate(module, variables, golden, time, **options):
    run = functools.partial(module.apply, method="estimate", **options)
    return jax.jit(run)(variables, published.pairs(golden), _times(golden, time))


def _motion_stages(golden, found) -> dict[str, Any]:
    stages = {f"flow_it{i}": state.flow for i, state in enumerate(found)}
    merged = base.blended(published.pairs(golden), found[-1])
    stages |= {"mask": jax.nn.sigmoid(found[-1].logit), "merged": merged, "blend": merged}
    return stages | {"mask_logit": found[-1].logit, "flow_last": found[-1].flow}


def v40_rows(part: str) -> Iterator[Row]:
    """Yields a row for every array of rife_v40."""
    golden = published.fixture(f"rife_v40_{part}")
    stages: dict[str, Any] = {}
    runs = (
        ("", 0.5, {}, {}),
        ("fast_two_way_t025/", 0.25, {}, {"ensemble": True}),
        ("big/", 0.5, {"block1.lastconv.weight": 16.0}, {}),
    )
    for prefix, time, factors, options in runs:
        module, variables = published.load("rife-4.0", part, factors)
        found = _estimate(module, variables, golden, time, **options)
        more = _motion_stages(golden, found)
        more["result"] = more["blend"]
        if not prefix:  # the others were run without refinement
            pairs = published.pairs(golden)
            more["result"], seen = _call(module, variables, "synthesize", pairs, *found[-1])
            more["unet_sigmoid"] = jax.nn.sigmoid(seen["unet"]["__call__"][0])
        stages |= {prefix + key: value for key, value in more.items()}
    yield from _rows(golden, stages)


def late_rows(preset: str, part: str) -> Iterator[Row]:
    """Yields a row for every array of rife_v46 or rife_v425."""
    golden = published.fixture(f"{published.NAMES[preset]}_{part}")
    module, variables = published.load(preset, part)
    stages: dict[str, Any] = {}
    for prefix, time in (("", 0.5), ("t02/", 0.2)):
        pairs = published.pairs(golden)
        found, seen = _call(module, variables, "estimate", pairs, _times(golden, time))
        more = {"flow_first": found[0].flow} | _motion_stages(golden, found)
        more["result"] = more["merged"]
        if preset == "rife-4.25":
            more["encode0"] = jnp.split(seen["encode"]["__call__"][0], 2)[0]
            more["feat_last"] = seen["block4"]["__call__"][0][1]
        stages |= {prefix + key: value for key, value in more.items()}
    wide = 9e-4 if preset == "rife-4.25" else 0
    yield from _rows(golden, stages, wide)


ROWS = {
    "rife": functools.partial(paper_rows, "rife"),
    "rife_2r": functools.partial(paper_rows, "rife-2r"),
    "rife_m": functools.partial(paper_rows, "rife-m"),
    "rife_v31": v31_rows,
    "rife_v35": functools.partial(v3_rows, "rife-3.5"),
    "rife_v38": functools.partial(v3_rows, "rife-3.8"),
    "rife_v38_one_way": functools.partial(v3_rows, "rife-3.8-one-way"),
    "rife_v40": v40_rows,
    "rife_v46": functools.partial(late_rows, "rife-4.6"),
    "rife_v425": functools.partial(late_rows, "rife-4.25"),
}
