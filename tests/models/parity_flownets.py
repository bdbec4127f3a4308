"""PWC-Net and FlowNet, stage by stage, against the published networks."""

import functools
import re
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax.losses import multiscale
from daflow_jax.models.pwcnet.model import PWCNet
from tests.models import published_flownets as published
from tests.models.parity import Row

INPUTS = ("image1", "image2", "flow_gt_x64")
SEED = {"a": 0, "b": 1}


def available() -> dict[str, tuple[str, str]]:
    """Returns fixture -> (network, part) of the files at hand."""
    found = {}
    for name, file in published.FILES.items():
        for part in "ab":
            stem = f"{file}_levels_{part}" if name == "pwcnet" else f"{file}_{part}"
            if (published.FULL / f"{stem}.npz").is_file():
                found[stem] = name, part
    return found


def rows(name: str, part: str) -> Iterator[Row]:
    """Yields a row for every array of a network's stages."""
    return pwcnet(part) if name == "pwcnet" else flownet(name, part)


def sparse(name: str, array) -> np.ndarray:
    """Returns the entries of (b, h, w, c) that a suffix such as "_c8_s4" names."""
    array = np.asarray(array)
    for kind, count in re.findall(r"_([cs])(\d+)", name):
        step = int(count)
        array = array[..., ::step] if kind == "c" else array[:, ::step, ::step]
    return array


def _row(key, stages, bounds, golden) -> Row:
    stage = max((k for k in stages if f"{key}_".startswith(f"{k}_")), key=len)
    bound = next(bound for pattern, bound in bounds if re.match(pattern, key))
    return Row(key, sparse(key.removeprefix(stage), stages[stage]), golden[key], bound)


# ten times the published network's float32 error
PWC_BOUNDS = (
    (r"c[12]_", 5e-5),
    (r"corr", 3.3e-5),
    (r"warped", 5e-5),
    (r"up_flow", 3e-5),
    (r"up_feat", 1.6e-3),
    (r"dense", 3.4e-4),
    (r"dc_conv4", 3.8e-4),
    (r"flow2_before|align_false", 3.3e-5),
    (r"flow", 4.4e-5),
)


@functools.partial(jax.jit, static_argnums=0)
def _pwc(module, variables, clip):
    """Returns (features, levels, output of the context network's fourth convolution)."""
    seen = {}

    def note(method, args, kwargs, context):
        out = method(*args, **kwargs)
        if context.module.path == ("context", "conv4"):
            seen["dc_conv4"] = nn.leaky_relu(out, 0.1)
        return out

    with nn.intercept_methods(note):
        features = module.apply(variables, clip, method=PWCNet.features)
        found = module.apply(variables, clip, method=PWCNet.estimate)
    return features, found, seen["dc_conv4"]


def pwcnet(part: str) -> Iterator[Row]:
    """Yields a row for every array of pwcnet_levels."""
    golden = published.arrays(f"pwcnet_levels_{part}")
    variables = published.convert("pwcnet", published.state_dict("pwcnet", SEED[part]))
    clip = published.frames(golden)
    features, found, inner = _pwc(published.module("pwcnet"), variables, clip)
    stages: dict[str, Any] = {"dc_conv4": inner, "flow2_before_context": found[-1].coarse}
    for number, maps in enumerate(features, 1):
        stages |= {f"c1_{number}": maps[:, 0], f"c2_{number}": maps[:, 1]}
    for number, level in zip((6, 5, 4, 3, 2), found, strict=True):
        stages |= {
            f"corr{number}": level.correlation,
            f"warped{number}": level.warped,
            f"up_flow{number}": level.up_flow,
            f"up_feat{number}": level.up_feat,
            f"dense{number}": level.stack,
            f"flow{number}": level.flow,
        }
    if any(key.startswith("align_false") for key in golden):
        other = published.module("pwcnet", align_corners=False)
        stages["align_false/flow2"] = _pwc(other, variables, clip)[1][-1].flow
    for key in golden:
        if key not in INPUTS:
            yield _row(key, stages, PWC_BOUNDS, golden)


FLOWNET_BOUNDS = (
    (r"corr", 1.2e-7),
    (r"conv|input|flow\d_up", 6e-6),
    (r"deconv", 2e-5),
    (r"flow_full", 1.4e-4),
    (r"flow", 1.1e-5),
    (r"multiscale|epe", 4e-5),
)
ACTIVATED = r"(de)?conv\w*|redirect"


@functools.partial(jax.jit, static_argnums=0)
def _flownet(module, variables, clip):
    """Returns (output, what the layers returned on the way)."""
    seen = {}

    def note(method, args, kwargs, context):
        out = method(*args, **kwargs)
        name = context.module.path[-1] if context.module.path else ""
        if context.method_name == "__call__" and hasattr(context.module, "features"):
            seen[name] = nn.leaky_relu(out, 0.1) if re.fullmatch(ACTIVATED, name) else out
        if name == "stem" and context.method_name == "__call__":
            seen["input"] = args[0]
        if name == "matching" and context.method_name == "__call__":
            seen["corr"] = out[..., -441:]
        return out

    with nn.intercept_methods(note):
        return module.apply(variables, clip), seen


def flownet(name: str, part: str) -> Iterator[Row]:
    """Yields a row for every array of flownets or flownetc."""
    golden = published.arrays(f"{published.FILES[name]}_{part}")
    variables = published.convert(name, published.state_dict(name, SEED[part]))
    out, seen = _flownet(published.module(name), variables, published.frames(golden))
    stages = dict(seen)
    if name == "flownet-c":
        both = {
            key: np.split(np.asarray(seen[key]), 2) for key in ("input", "conv1", "conv2", "conv3")
        }
        stages |= {key: maps[0] for key, maps in both.items()}
        stages |= {
            "input": np.concatenate(both["input"], -1),
            "conv3_second": both["conv3"][1],
            "corr": np.where(seen["corr"] < 0, seen["corr"] / 0.1, seen["corr"]),
            "conv_redir": seen["redirect"],
        }
    stages |= {f"flow{n}_up": seen[f"upsample{n}"] for n in (3, 6)}
    stages |= {f"flow{n}": x[:, 0] for n, x in enumerate(out.levels, 2)}
    stages["flow_full"] = out.flows[0, :, 0]
    for key in golden:
        if key not in INPUTS and not key.startswith(("multiscale", "epe")):
            yield _row(key, stages, FLOWNET_BOUNDS, golden)
    yield from _flownet_losses(golden, out)


def _flownet_losses(golden, out) -> Iterator[Row]:
    target = jnp.asarray(golden["flow_gt_x64"][:, None].astype(np.float32) / 64)
    valid = jnp.ones(target.shape[:-1], bool)
    for kind in ("l1", "l2"):
        loss = multiscale.loss(out.levels, target, valid, multiscale.PUBLISHED[f"flownet_{kind}"])
        yield Row(f"multiscale_{kind}", loss, golden[f"multiscale_{kind}"], 4e-5, "relative")
        if kind == "l2":
            yield Row("multiscale_epe", loss, golden["multiscale_epe"], 4e-5, "relative")
    terms = multiscale.terms(out.levels, target, valid, multiscale.PUBLISHED["flownet_l2"])
    for number, term in enumerate(terms, 2):
        yield Row(f"epe_level{number}", term, golden[f"epe_level{number}"], 4e-5, "relative")
