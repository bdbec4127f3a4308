"""The Python interface: load a model by name, call it on frames, save it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import DEFAULT_INTERPOLATOR, errors, models, predict, pretrained
from daflow_jax.models.entry import Kind
from daflow_jax.ops import warp as _warp
from daflow_jax.predict import (
    FeatureModel,
    FlowModel,
    InterpolationModel,
    Layout,
    Model,
    RestorationModel,
    Result,
    SegmentationModel,
    Stream,
    TrackModel,
    Tracks,
)
from daflow_jax.predict.devices import find_device

__all__ = [
    "FeatureModel", "FlowModel", "InterpolationModel", "Layout", "Model", "RestorationModel",
    "Result", "SegmentationModel", "Stream", "TrackModel", "Tracks", "create", "find_device",
    "interpolate", "load", "part_of", "restore", "save", "warp",
]  # fmt: skip


def load(name: str | Path, kind: Kind | None = None, **options: Any) -> Any:
    """Returns the model of a name, a model folder or its .safetensors file: an object of its kind:
    FlowModel, RestorationModel, InterpolationModel, FeatureModel, SegmentationModel, TrackModel.

    Args:
        kind: "flow", "restoration", "interpolation", "features", "segmentation" or "tracks" is
            demanded; of a model of another kind that holds one of this kind, such as DA-Flow's
            restorer, that part is returned.
        options: of the object's class, such as device, precision and seed.

    Raises:
        UserError: the model is damaged, unknown, or has nothing of this kind.
    """
    loaded = pretrained.load(pretrained.resolve(name))
    config, variables, meta = loaded
    if kind is not None:
        config, variables = part_of(name, loaded, kind)
    entry = models.entry_of(config)
    if config is not loaded.config:
        meta = {key: value for key, value in meta.items() if key != "defaults"}
    return predict.KINDS[entry.kind](config, variables, meta=meta, **options)


def part_of(
    name: str | Path, loaded: pretrained.LoadedModel, kind: Kind
) -> tuple[Any, dict[str, Any]]:
    """Returns configuration and variables of what a loaded model has of a kind: itself, or a part.

    Raises UserError, which names the model, if it has nothing of this kind.
    """
    found = models.part(loaded.config, kind)
    if found is None:
        entry = models.entry_of(loaded.config)
        known = [e.family for e in models.ENTRIES.values() if kind in (e.kind, *e.parts)]
        article = "an" if entry.kind == "interpolation" else "a"
        rule = f"is {article} {entry.kind} model ({entry.family}) and has no {kind} model inside"
        raise errors.UserError(name, rule, f"Families that do: {', '.join(known) or 'none'}")
    config, path = found
    if not path:
        return config, loaded.variables
    parts = {key: tree.get(path) for key, tree in loaded.variables.items()}
    return config, {key: tree for key, tree in parts.items() if tree is not None}


def restore(
    frames: np.ndarray,
    model: str | Path | RestorationModel,
    *,
    window: int | str | None = None,
    color_fix: str = "none",
    device: str | None = None,
    precision: str | None = None,
    seed: int | None = None,
    **options: Any,
) -> np.ndarray:
    """Returns restored frames, float32 (t, s h, s w, 3) in [0, 1], s = the model's scale.

    Args:
        frames: (t, h, w, 3), uint8, uint16 or float in [0, 1]; any size.
        model: name or folder of a restorer, or of a model that holds one, or a loaded one.
        window, color_fix, options: of the call, see `RestorationModel`; of diffusion models `steps`
            (small models predict clean content at once; DiT4SR is run with 40) and `guidance`.
        device, precision, seed: of a model that is loaded here, see `Model`.
    """
    placed = {"device": device, "precision": precision, "seed": seed}
    restorer: RestorationModel = _loaded(model, "restoration", placed)
    return restorer(frames, window=window, color_fix=color_fix, **options)


def interpolate(
    frames: Any,
    times: Sequence[float] = (0.5,),
    model: str | Path | InterpolationModel | None = DEFAULT_INTERPOLATOR,
    *,
    gate: str = "off",
    flips: bool = False,
    device: str | None = None,
    precision: str | None = None,
    seed: int | None = None,
    **options: Any,
) -> np.ndarray:
    """Returns new frames, float32 (t-1, n, h, w, 3) in [0, 1]: n between each pair of neighbours.

    Args:
        frames: (t, h, w, 3), uint8, uint16 or float in [0, 1]; any size.
        times: n numbers in (0, 1), 0 = the first frame of a pair, 1 = the second; halves, quarters
            and so on where the network finds the middle alone (`config.any_time` is False).
        model: name or folder of an interpolator, or a loaded one. None ships with this package.
        gate, flips, options: of the call, see `InterpolationModel`.
        device, precision, seed: of a model that is loaded here, see `Model`.
    """
    if model is None:
        rule = "must be named: no interpolator ships with this package"
        remedy = "Convert RIFE 4.0 (MIT), see docs/interpolate.md"
        raise errors.UserError("model", rule, remedy)
    placed = {"device": device, "precision": precision, "seed": seed}
    interpolator: InterpolationModel = _loaded(model, "interpolation", placed)
    return interpolator(frames, times, gate=gate, flips=flips, **options)


def _loaded(model: Any, kind: Kind, placed: dict[str, Any]) -> Any:
    """Returns a model of a kind, loaded unless it is; then nothing may be asked of its place."""
    placed = {name: value for name, value in placed.items() if value is not None}
    if not isinstance(model, predict.KINDS[kind]):
        return load(model, kind=kind, **placed)
    if placed:
        rule = "is decided when a model is loaded, and this one is"
        raise errors.UserError(
            next(iter(placed)), rule, "Pass it to load, or pass the model's name"
        )
    return model


def create(config: Any) -> tuple[Any, Any]:
    """Returns the Linen module and the abstract variables of an architecture's name (a preset) or
    a configuration; trained models have names of their own, which `load` takes."""
    config = models.preset(config) if isinstance(config, str) else config
    return models.build(config), pretrained.abstract_variables(config)


def save(model: Model, path: str | Path, *, name: str | None = None) -> pretrained.Place:
    """Returns the model folder written at `path`; `load` reads it back bit for bit."""
    return pretrained.save(
        path,
        model.config,
        model.variables,
        name=name or model.name,
        defaults=model.meta.get("defaults"),
        training=model.meta.get("training"),
    )


def warp(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Returns `image` (h, w, c) read where `flow` (h, w, 2) points: frame 2 on frame 1's grid.

    Float32, 0 where the flow leaves the image.
    """
    arrays = jnp.asarray(image, jnp.float32), jnp.asarray(flow, jnp.float32)
    return np.asarray(jax.jit(_warp.warp)(*arrays))
