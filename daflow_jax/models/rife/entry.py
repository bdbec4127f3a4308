"""RIFE (Huang et al., ECCV 2022) and its later versions in the registry."""

from collections.abc import Mapping
from typing import Any

from daflow_jax import errors
from daflow_jax.models.entry import CallOption, Entry, Example
from daflow_jax.models.rife import config as configs

SCALE = CallOption(
    "scale",
    "of the pictures on which flow is found: 0.5 for very large frames or motion (1)",
    least=0.25,
    most=4,
    type=float,
)
ENSEMBLE = CallOption(
    "ensemble", "average the motion of both orders of the frames (no)", least=0, type=bool
)


def example(config: Any) -> Example:
    """Returns a call on frames of the smallest size."""
    import jax

    shapes = (1, 2, config.minimum, config.minimum, 3), (1,)
    return Example(tuple(jax.ShapeDtypeStruct(shape, "float32") for shape in shapes))


def check_call(config: Any, values: Mapping[str, Any]) -> None:
    """Raises UserError for a scale that is not a power of two, and an ensemble of 4.25."""
    scale = values.get("scale", 1.0)
    if scale not in (0.25, 0.5, 1.0, 2.0, 4.0):
        rule = f"{scale:g} is not a power of two"
        raise errors.UserError("scale", rule, "Use 0.25, 0.5, 1, 2 or 4")
    if values.get("ensemble") and getattr(config, "form", "") == "4.25":
        rule = "RIFE 4.25 has none: it replaces mask and features from block to block"
        raise errors.UserError("ensemble", rule, "Leave it out")


def check_start(config: Any, variables: Mapping[str, Any]) -> None:
    """Raises UserError for a network without the teacher that `config` wants."""
    names = variables.get("params", {})
    if config.teacher and "block0" in names and "block_tea" not in names:
        rule = "these weights have no block_tea, the teacher that the training needs"
        remedy = "Take a file that has it, or set teacher to False in config.model and config.task"
        raise errors.UserError("config.checkpoint.init_from", rule, remedy)


def trainable(config: Any) -> dict[str, tuple[str, ...]]:
    """Returns the parts that may be trained alone: what finds flow, and what corrects the blend."""
    refining = r"(contextnet|unet|fusionnet)/.*"
    return {"flow": (r"(?!contextnet|unet|fusionnet).*",), "refine": (refining,)}


def _entry(
    family: str, config: type, module: str, presets: Mapping[str, Any], **more: Any
) -> Entry:
    return Entry(
        family=family,
        kind="interpolation",
        config=config,
        module=f"daflow_jax.models.rife.{module}",
        presets=presets,
        example=example,
        check_call=check_call,
        trainable=trainable,
        **{"call_options": (SCALE,), **more},
    )


RIFE = _entry(
    "rife",
    configs.RIFEConfig,
    "model:RIFE",
    configs.VARIANTS,
    check_start=check_start,
    slim="daflow_jax.models.rife.slim:SLIM",
    checkpoints="daflow_jax.models.rife.convert:ARCHITECTURES",
)
RIFE31 = _entry("rife31", configs.RIFE31Config, "version31:RIFE31", configs.VARIANTS_31)
RIFE3 = _entry("rife3", configs.RIFE3Config, "version3:RIFE3", configs.VARIANTS_3)
RIFE4 = _entry(
    "rife4",
    configs.RIFE4Config,
    "version4:RIFE4",
    configs.VARIANTS_4,
    call_options=(SCALE, ENSEMBLE),
)
