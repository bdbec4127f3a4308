"""The first weights of an arm: the published RAFT, and principal directions found from clips."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from daflow_jax import errors, models, pretrained
from daflow_jax.input_pipeline import loader, settings
from daflow_jax.models import calls, taps
from studies.features.arms import Arm

CLIPS = 24  # that directions and gains are found from [choice]
TRUNK = "descriptors/trunk"


def config_of(arm: Arm, raft: pretrained.LoadedModel) -> Any:
    """Returns the configuration of an arm around the RAFT that it starts from.

    Training wants the look-up with the cheap gradient. Raises UserError for a tap that is not there
    or does not fit.
    """
    flow = dataclasses.replace(raft.config, lookup="matmul")
    if arm.second is None:
        return flow
    changes = {}
    for name, value in arm.second.items():
        inner = value if isinstance(value, dict) else {"": value}
        changes |= {f"{name}.{key}".rstrip("."): x for key, x in inner.items()}
    config = dataclasses.replace(models.preset("daflow-cost-windows", **changes), flow=flow)
    if config.trunk is not None:
        taps.chosen(config.trunk, config.taps)
        taps.check_stride(config.trunk, config.shrink, config.stride)
    return config


def write(
    folder: Path,
    arm: Arm,
    raft: pretrained.LoadedModel,
    trunk: pretrained.LoadedModel | None,
    data: settings.DataConfig,
) -> Path:
    """Returns the model folder of an arm before any step, made unless it is there."""
    if (folder / pretrained.CONFIG).exists():
        return folder
    config = config_of(arm, raft)
    if arm.second is None:
        return pretrained.save(folder, config, raft.variables, name="start")
    if config.trunk is not None:
        config = dataclasses.replace(config, trunk=_cut(config, trunk))
    module = models.build(config)
    variables = jax.jit(lambda key: calls.init(module, key))(jax.random.key(0))
    flat: dict[str, Any] = traverse_util.flatten_dict(variables["params"], sep="/")
    flat |= _of_raft(raft, flat)
    if config.trunk is not None and trunk is not None:
        flat |= _of_trunk(config.trunk, trunk, arm.shuffle)
    params = traverse_util.unflatten_dict(flat, sep="/")
    batches = _batches(data, CLIPS)
    if "project" in params:
        kernel, shares = directions(module, {"params": params}, batches, config.channels)
        params["project"] = {"kernel": kernel}
    else:
        shares = []
    params["gain"] = jnp.float32(_gain(module, {"params": params}, batches))
    record = {"clips": CLIPS, "seed": data.seed, "kept": shares[-1:], "gain": float(params["gain"])}
    return pretrained.save(folder, config, {"params": params}, name="start", training=record)


def directions(module, variables, batches, channels: int) -> tuple[jax.Array, list[float]]:
    """Returns (c, channels), the principal directions of the descriptors of all places, and the
    share of their variance that the first 1, 2, ... of them keep."""
    raw = jax.jit(functools.partial(module.apply, method="raw", rngs=_rngs()))
    total = 0.0
    for frames in batches:
        flat = np.asarray(raw(variables, frames), np.float64)
        flat = flat.reshape(-1, flat.shape[-1])
        total = total + flat.T @ flat
    values, vectors = np.linalg.eigh(total)
    if len(values) < channels:
        rule = f"{channels}, and the descriptors have {len(values)}"
        raise errors.UserError("channels", rule, f"Use at most {len(values)}")
    shares = np.cumsum(values[::-1]) / np.sum(values)
    kernel = vectors[:, ::-1][:, :channels]
    return jnp.asarray(kernel, jnp.float32), [float(x) for x in shares[:channels]]


def _gain(module, variables, batches) -> float:
    """Returns the gain with which the second volume spreads as much as RAFT's own."""

    @jax.jit
    def spread(variables, frames):
        def both(module, frames):
            fmaps = module.flow.features(frames)
            return module.costs(fmaps, module.described(frames, fmaps)).levels[0]

        levels = module.apply(variables, frames, method=both, rngs=_rngs())
        return jnp.std(levels[0::2]), jnp.std(levels[1::2])

    found = [spread(variables, frames) for frames in batches[:8]]
    first, second = np.mean(np.asarray(found), axis=0)
    return float(variables["params"]["gain"] * first / second)


def _rngs():
    return {"noise": jax.random.key(0)}


def _batches(data: settings.DataConfig, clips: int) -> list[np.ndarray]:
    clip_loader = loader.make_loader(data, 1)
    found = [next(clip_loader)["lq"] for _ in range(clips)]
    clip_loader.close()
    return found


def _of_raft(raft, flat) -> dict[str, Any]:
    """Returns RAFT's parameters under "flow", and its first convolution of correlations for the
    second volume too, where it fits."""
    own: dict[str, Any] = traverse_util.flatten_dict(raft.variables["params"], sep="/")
    out = {f"flow/{name}": value for name, value in own.items()}
    for part in ("kernel", "bias"):
        name = f"flow/update/second/conv1/{part}"
        copied = own[f"update/encoder/convc1/{part}"]
        if flat[name].shape == copied.shape:
            out[name] = copied
    return out


def _cut(config, trunk: pretrained.LoadedModel | None) -> Any:
    """Returns the trunk's configuration, of its given weights, up to the last tap."""
    own = config.trunk if trunk is None else trunk.config
    if not hasattr(own, "blocks") or not isinstance(own.blocks, int):
        return own
    last = max(int(name.partition("/")[0]) for name in config.taps)
    return dataclasses.replace(own, blocks=last + 1)


def _of_trunk(config, trunk: pretrained.LoadedModel, shuffle: bool) -> dict[str, Any]:
    want = pretrained.shapes(config)
    have = pretrained.flatten(trunk.variables)
    missing = sorted(set(want) - set(have))
    if missing:
        rule = f"lacks {len(missing)} arrays of the trunk, first {missing[0]}"
        raise errors.UserError("--trunk", rule, "Convert the published file again")
    rng, out = np.random.default_rng(0), {}
    for name in want:
        value = np.asarray(have[name])
        if shuffle:
            value = rng.permutation(value.ravel()).reshape(value.shape)
        out[f"{TRUNK}/{name.partition('/')[2]}"] = jnp.asarray(value)
    return out
