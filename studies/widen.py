"""RAFT with wider encoders that computes, at the start, what the narrow one computes.

Channels are added behind the given ones. Kernels from an added channel to a given one are zero, and
those into added channels are drawn anew, so that the flow is the narrow network's and every weight
has a gradient (function-preserving growth as in Net2Net, Chen et al., ICLR 2016).
"""

import bisect
import dataclasses
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from daflow_jax import models, pretrained
from daflow_jax.profiling import flops

TOLERANCE = 0.02  # of the FLOPs to be met
SCALES = range(8, 80)  # eighths of the published widths


def to_match(out: Path, narrow: str, raft: str, other: str, size: tuple[int, int]) -> Path:
    """Returns the folder of `narrow` (weights of the preset `raft`, or "" for random ones) widened
    until a clip of three frames of `size` costs as many FLOPs as in the preset `other`."""
    if (out / pretrained.CONFIG).exists():
        return out
    goal = count(models.preset(other), size)
    base = models.preset(raft)
    place = bisect.bisect_left(SCALES, goal, key=lambda scale: count(_scaled(base, scale), size))
    config = _scaled(base, SCALES[min(place, len(SCALES) - 1)])
    if abs(count(config, size) / goal - 1) > TOLERANCE:
        raise ValueError(f"no width costs the {goal / 1e9:.1f} GFLOP of {other} within 2 %")
    variables = grown(pretrained.load(Path(narrow)).variables if narrow else {}, config)
    training = {"widened": narrow or "random", "flop": count(config, size), "other_flop": goal}
    return pretrained.save(out, config, variables, name="raft-wide", training=training)


def _scaled(base, scale: int):
    """Returns RAFT with encoders `scale` / 8 times as wide."""
    return dataclasses.replace(base, widths=tuple(width // 8 * scale for width in base.widths))


def widths(folder: Path) -> tuple[int, ...]:
    """Returns the encoders' widths of a widened folder."""
    return tuple(pretrained.load(folder).config.widths)


def count(config, size: tuple[int, int]) -> float:
    """Returns the FLOPs of 12 iterations on a clip of three frames."""
    module, variables = models.build(config), pretrained.abstract_variables(config)
    frames = jax.ShapeDtypeStruct((1, 3, *size, 3), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))

    def run(variables, frames, key):
        return module.apply(variables, frames, iters=12, rngs={"noise": key})

    return flops.count(run, variables, frames, key)


def grown(variables: dict, config) -> dict:
    """Returns variables of `config` that compute what `variables` of a narrower network do; what
    those lack is drawn as RAFT's encoders are (Kaiming, fan out)."""
    rng, old = np.random.default_rng(0), pretrained.flatten(variables)
    shapes = pretrained.shapes(config)
    full = {
        name: _placed(_drawn(rng, name, shape), old.get(name)) for name, shape in shapes.items()
    }
    return traverse_util.unflatten_dict(full, sep="/")


def _drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("kernel"):
        fan_out = shape[-1] * math.prod(shape[:-2])
        return rng.normal(0, (2 / fan_out) ** 0.5, shape).astype(np.float32)
    return np.full(shape, name.endswith(("scale", "var")), np.float32)


def _placed(new: np.ndarray, old: np.ndarray | None) -> np.ndarray:
    """Returns `new` with `old` in its first channels; added inputs do not reach given outputs."""
    if old is None:
        return new
    if new.ndim == 4:
        new[:, :, :, : old.shape[3]] = 0
    new[tuple(slice(n) for n in old.shape)] = old
    return new
