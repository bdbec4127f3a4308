"""What must hold between sections of a configuration before anything is made."""

from collections.abc import Collection, Mapping
from typing import Any

from jax.sharding import Mesh

from daflow_jax import errors, models, sharding
from daflow_jax.synthetic import scene as scenes
from daflow_jax.train import optimizer, setup


def check_size(scene: scenes.SceneConfig, networks: Collection[Any]) -> None:
    """Raises UserError, with the nearest sizes, for clips that a network does not take."""
    for name in ("height", "width"):
        size, where = getattr(scene, name), f"config.data.scene.{name}"
        for model in networks:
            if size % model.multiple:
                below = size // model.multiple * model.multiple
                near = f"{below} or {below + model.multiple}"
                rule = f"{size}; this model wants multiples of {model.multiple}"
                raise errors.UserError(where, rule, f"Use {near}")
            if size < model.minimum:
                rule = f"{size}; this model wants at least {model.minimum}"
                raise errors.UserError(where, rule, f"Use {model.minimum}")


def check_mesh(mesh: Mesh, scene: scenes.SceneConfig, networks: Collection[Any]) -> None:
    """Raises UserError for an axis that no network splits anything over, or not evenly."""
    limits = [
        entry.mesh_limits(model, scene.height)
        for model, entry in ((model, models.entry_of(model)) for model in networks)
        if entry.mesh_limits is not None
    ]
    if mesh.shape["tensor"] > 1 and not any("tensor" in limit for limit in limits):
        rule = "this model has no attention heads to split"
        raise errors.UserError("config.mesh.tensor", rule, "Use data, fsdp or seq")
    for axis, (what, count) in (pair for limit in limits for pair in limit.items()):
        if count % mesh.shape[axis]:
            divisors = [str(n) for n in range(1, count + 1) if count % n == 0]
            rule = f"{count} {what} do not divide over {mesh.shape[axis]}"
            remedy = "Use one of " + ", ".join(divisors)
            raise errors.UserError(f"config.mesh.{axis}", rule, remedy)


def check_calls(train: setup.TrainConfig) -> None:
    """Raises UserError unless the calls of a run are all of one length."""
    if train.steps_per_call < 1 or train.steps % train.steps_per_call:
        rule = f"{train.steps_per_call} does not divide train.steps = {train.steps}"
        raise errors.UserError("config.train.steps_per_call", rule, "Use 1, or a divisor")


def check_parts(train: setup.TrainConfig, mesh: Mesh) -> None:
    """Raises UserError unless the parts of a batch divide the clips of a device."""
    clips = train.batch_size // sharding.clip_ways(mesh)
    if train.accumulate < 1 or clips % train.accumulate:
        rule = f"{train.accumulate} does not divide the {clips} clips of a device"
        near = [parts for parts in range(1, clips + 1) if clips % parts == 0]
        remedy = f"Use one of {', '.join(map(str, near))}"
        raise errors.UserError("config.train.accumulate", rule, remedy)


def check_frozen(optimizing: optimizer.OptimizerConfig, init_from: str | Mapping[str, str]) -> None:
    """Raises UserError where parameters that never train would stay as they were drawn."""
    held = optimizing.frozen or optimizing.train not in ("all", (".*",))
    if held and not init_from:
        field = "frozen" if optimizing.frozen else "train"
        rule = f"is empty, so what optimizer.{field} holds would stay as it was drawn"
        remedy = 'Name trained weights for it, or "random" if drawn ones are meant'
        raise errors.UserError("config.checkpoint.init_from", rule, remedy)
