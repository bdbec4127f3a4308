"""DA-Flow (arXiv 2603.23499) in the registry."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from daflow_jax import errors
from daflow_jax.models.daflow import trainable
from daflow_jax.models.daflow.config import VARIANTS, DAFlowConfig
from daflow_jax.models.dit4sr import entry as restorer
from daflow_jax.models.entry import CallOption, Entry, Example, MeshLimit, Part, Storage
from daflow_jax.models.raft.entry import ITERS

DENOISE_STEPS = CallOption("denoise_steps", "steps of the backbone's denoising run (1)")
TAP_STEP = CallOption("tap_step", "denoising step whose features are read (0)", 0)


def example(config: DAFlowConfig) -> Example:
    """Returns a call with one step of refinement on a clip of the smallest size."""
    import jax

    side = -(-config.minimum // config.multiple) * config.multiple
    frames = jax.ShapeDtypeStruct((1, config.frames, side, side, 3), "float32")
    return Example((frames,), {"iters": 1}, streams=("noise",))


def check_call(config: DAFlowConfig, options: Mapping[str, Any]) -> None:
    """Raises UserError for a step that the denoising run does not have."""
    steps, step = options.get("denoise_steps") or 1, options.get("tap_step")
    if step is not None and step >= steps:
        rule = f"is not in 0..{steps - 1} of {steps} steps"
        raise errors.UserError(f"tap_step {step}", rule, "Lower it or raise denoise_steps")
    if step and config.backbone.dit.form == "first_step":
        rule = "needs denoising, and this model was slimmed to its first step"
        raise errors.UserError(f"tap_step {step}", rule, "Use the model it was made from")


def stored(config: DAFlowConfig) -> DAFlowConfig:
    """Returns the configuration with single blocks in place of loops."""
    return dataclasses.replace(config, backbone=restorer.stored(config.backbone))


def mesh_limits(config: DAFlowConfig, height: int) -> dict[str, MeshLimit]:
    """Returns what the backbone's attention splits."""
    return restorer.mesh_limits(config.backbone, height)


def attention_lengths(config: DAFlowConfig, frames: int, height: int, width: int) -> frozenset[int]:
    """Returns the lengths of the backbone's attention."""
    return restorer.attention_lengths(config.backbone, frames, height, width)


DAFLOW = Entry(
    family="daflow",
    kind="flow",
    config=DAFlowConfig,
    module="daflow_jax.models.daflow.model:DAFlow",
    presets=VARIANTS,
    example=example,
    call_options=(ITERS, DENOISE_STEPS, TAP_STEP),
    streams=("noise",),
    refines=True,
    check_call=check_call,
    trainable=trainable.sets,
    storage=Storage(
        stored, "daflow_jax.models.dit4sr.loops:unrolled", "daflow_jax.models.daflow.loops:restored"
    ),
    parts={"restoration": Part("backbone", "backbone")},
    mesh_limits=mesh_limits,
    attention_lengths=attention_lengths,
    products=(f"backbone/{restorer.PRODUCTS}",),
)
