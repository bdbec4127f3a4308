"""The only reader of a configuration: plain values in, a checked experiment out."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from daflow_jax import errors, models, precision, pretrained, sharding, tasks
from daflow_jax.input_pipeline import sources
from daflow_jax.models.dit4sr import loops
from daflow_jax.predict import padding
from daflow_jax.synthetic import scene as scenes
from daflow_jax.tasks import batch as batches
from daflow_jax.train import checkpoint, loop, optimizer, state, writer
from daflow_jax.train import data_feed as feed
from daflow_jax.train import evaluator as evaluate

SECTIONS = (
    "task",
    "model",
    "optimizer",
    "data",
    "degrade",
    "train",
    "eval",
    "checkpoint",
    "mesh",
    "precision",
    "seed",
    "log",
)

SETTINGS = {  # sections whose keys are the fields of a dataclass
    "optimizer": optimizer.OptimizerConfig,
    "data": sources.DataConfig,
    "degrade": sources.DegradeConfig,
    "train": loop.TrainConfig,
    "eval": evaluate.EvalConfig,
    "checkpoint": loop.CheckpointConfig,
    "log": writer.LogConfig,
}


def build(config: Any, devices: Sequence[jax.Device] | None = None) -> loop.Experiment:
    """Returns the experiment that `config` (a ConfigDict or nested dict) describes, for `devices`
    (by default all that JAX has).

    Raises UserError naming the field, the rule and the nearest known name; nothing is trained or
    loaded.
    """
    config = _plain(config)
    _known("config", config, SECTIONS)
    parts = {
        name: section(SETTINGS[name], config, name)
        for name in ("train", "optimizer", "eval", "checkpoint", "log")
    }
    train, optimizing, evaluating = parts["train"], parts["optimizer"], parts["eval"]
    seed, policy = int(config.get("seed", 0)), precision.parse(config.get("precision", "f32"))
    model = build_model(config)
    module = models.build(model, policy.compute)  # parameters are drawn in float32, then stored
    task = build_task(config, precision.Bound(module, policy))
    leaves = state.Leaves(train_patterns(optimizing.train, model), optimizing.frozen, policy)
    data, source = build_data(config, seed)
    _check_size(data.scene, model)
    mesh = sharding.make_mesh(config.get("mesh", {"data": -1}), devices)
    sharding.check_batch_size(train.batch_size, mesh)
    _check_mesh(mesh, data.scene, model)
    _check_calls(train)
    _check_parts(train, mesh)
    return loop.Experiment(
        config=_record(config, parts, source, data, model, task, mesh),
        task=task,
        optimizer=optimizer.make_optimizer(optimizing, train.steps),
        data=SOURCES[source].train(data, train.batch_size, mesh),
        mesh=mesh,
        seed=seed,
        train=train,
        example=batches.zeros(1, data.scene.frames, data.scene.height, data.scene.width),
        leaves=leaves,
        eval=evaluating,
        eval_sets={
            sources.HELD_OUT: SOURCES[source].evaluation(
                data, train.batch_size, evaluating.batches, mesh
            )
        },
        checkpoint=parts["checkpoint"],
        log=parts["log"],
        load=functools.partial(load_variables, model=model),
        save=_saver(model, config),
        write_image=_write_image,
        compute=policy.compute,
    )


def section(kind: type, config: Mapping[str, Any], name: str, **given: Any) -> Any:
    """Returns the dataclass `kind` filled from a section; its field names are the section's keys.

    `given` are fields that the caller knows; the section may not set them.
    """
    values = config.get(name, {})
    fields = {field.name: field for field in dataclasses.fields(kind)}
    _known(f"config.{name}", values, set(fields) - set(given))
    values = {**values, **given}
    missing = [
        key
        for key, field in fields.items()
        if key not in values and field.default is field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise errors.UserError(f"config.{name}.{missing[0]}", "is missing", "Give it a value")
    return _construct(kind, values, f"config.{name}")


def build_model(config: Mapping[str, Any]) -> Any:
    """Returns the model configuration: `model.name` with every other field of the section
    replaced.
    """
    values = dict(config.get("model", {}))
    if "name" not in values:
        raise errors.UserError(
            "config.model.name", "is missing", errors.nearest("", models.PRESETS)
        )
    return models.preset(values.pop("name"), **_dotted(values))


def train_patterns(value: Any, model: Any) -> tuple[str, ...]:
    """Returns the patterns of the parameters that train: `value` itself, or those of the set that
    it names.
    """
    if not isinstance(value, str):
        return tuple(value)
    known = models.trainable_sets(model)
    if value not in known:
        rule = f"{value!r} is no set of parameters of this model"
        raise errors.UserError("config.optimizer.train", rule, errors.nearest(value, known))
    return known[value]


def build_task(config: Mapping[str, Any], module: Any) -> tasks.Task:
    """Returns the task `task.name` around `module`."""
    values = dict(config.get("task", {}))
    name = values.pop("name", "")
    if name not in tasks.TASKS:
        remedy = errors.nearest(name, tasks.TASKS)
        raise errors.UserError("config.task.name", f"unknown task {name!r}", remedy)
    kind = tasks.TASKS[name]
    known = [field.name for field in dataclasses.fields(kind) if field.name != "module"]
    _known("config.task", values, known)
    return _construct(kind, {"module": module, **values}, "config.task")


def build_data(config: Mapping[str, Any], seed: int) -> tuple[sources.DataConfig, str]:
    """Returns the settings of the clips, and where they are made: "host" or "device"."""
    values = dict(config.get("data", {}))
    source = values.pop("source", "host")
    if source not in SOURCES:
        raise errors.UserError(
            "config.data.source", f"unknown {source!r}", errors.nearest(source, SOURCES)
        )
    scene = section(scenes.SceneConfig, {"data.scene": values.pop("scene", {})}, "data.scene")
    degrade = section(sources.DegradeConfig, config, "degrade")
    listed = values.pop("sources", ())
    given = {"scene": scene, "degrade": degrade, "seed": seed, "sources": _sources(listed)}
    if listed and source == "device":
        rule = "files are read on the host"
        raise errors.UserError("config.data.source", rule, 'Set it to "host"')
    return section(sources.DataConfig, {"data": values}, "data", **given), source


def _sources(listed: Any) -> tuple[sources.Source, ...]:
    if not isinstance(listed, tuple) or not all(isinstance(x, Mapping) for x in listed):
        remedy = "Write (dict(kind=..., path=..., weight=...), ...)"
        raise errors.UserError("config.data.sources", "is no list of sources", remedy)
    names = [f"data.sources[{place}]" for place in range(len(listed))]
    pairs = zip(names, listed, strict=True)
    return tuple(section(sources.Source, {name: values}, name) for name, values in pairs)


class HostSource:
    """Clips made by NumPy and OpenCV, in this process or in Grain's workers."""

    @staticmethod
    def train(data: sources.DataConfig, batch_size: int, mesh: Mesh) -> feed.HostData:
        """Returns the loader of this process's share of every batch."""

        def open_loader():
            from daflow_jax.input_pipeline import loader

            index, parts = sharding.process_share(mesh)
            return loader.make_loader(data, batch_size // parts, index, parts)

        return feed.HostData(open_loader)

    @staticmethod
    def evaluation(
        data: sources.DataConfig, batch_size: int, count: int, mesh: Mesh
    ) -> evaluate.EvalSet:
        """Returns `count` batches of held-out clips, the same at every evaluation."""

        @functools.cache
        def rows():
            from daflow_jax.input_pipeline import loader

            places = evaluate.places(batch_size * count, batch_size, *sharding.process_share(mesh))
            groups = [loader.eval_clips(data, own) for own, _ in places]  # all batches are full
            return [
                {k: np.stack([clip[k] for clip in group]) for k in data.keys} for group in groups
            ]

        return rows


class DeviceSource:
    """Clips made on the accelerator inside the step; imports neither grain nor av."""

    @staticmethod
    def train(data: sources.DataConfig, batch_size: int, mesh: Mesh) -> feed.DeviceData:
        """Returns the function of the step that makes its batch."""
        from daflow_jax.input_pipeline import on_device
        from daflow_jax.synthetic import textures

        def make(constants, step):
            return on_device.device_batch(data, constants, data.seed, step, batch_size)

        return feed.DeviceData(make, textures.atlas(data.scene, data.seed))

    @staticmethod
    def evaluation(
        data: sources.DataConfig, batch_size: int, count: int, mesh: Mesh
    ) -> evaluate.EvalSet:
        """Returns `count` batches of held-out clips, the same at every evaluation."""
        held_out = dataclasses.replace(data, seed=data.seed + sources.EVAL_SEED)

        def rows():
            source = DeviceSource.train(held_out, batch_size, mesh)
            make = jax.jit(source.make, out_shardings=sharding.batch_sharding(mesh))
            for step in range(count):
                yield make(source.constants, step)

        return rows


SOURCES = {"host": HostSource, "device": DeviceSource}


def load_variables(path: str, model: Any) -> dict[str, Any]:
    """Returns the variables of a workdir's newest checkpoint, or of a model folder or name, in the
    layout of `model`'s blocks.
    """
    if (Path(path) / "checkpoints").is_dir():
        variables = checkpoint.load_variables(Path(path))
    else:
        variables = pretrained.load(pretrained.resolve(path)).variables
    transformer = models.transformer(model)
    return (
        variables if transformer is None else loops.looped(loops.unrolled(variables), transformer)
    )


def _construct(kind, values, where):
    try:
        return kind(**values)
    except ValueError as error:
        raise errors.UserError(where, str(error)) from error


def _known(where, values, names):
    for name in values:
        if name not in names:
            raise errors.UserError(f"{where}.{name}", "unknown field", errors.nearest(name, names))


def _check_size(scene, model):
    for name in ("height", "width"):
        size = getattr(scene, name)
        if size % model.multiple:
            below = size // model.multiple * model.multiple
            near = f"{below} or {below + model.multiple}"
            rule = f"{size}; this model wants multiples of {model.multiple}"
            raise errors.UserError(f"config.data.scene.{name}", rule, f"Use {near}")
        if model.family != "restorer" and size < padding.MINIMUM:
            rule = f"{size}; flow networks want at least {padding.MINIMUM}"
            raise errors.UserError(f"config.data.scene.{name}", rule, f"Use {padding.MINIMUM}")


def _check_mesh(mesh, scene, model):
    transformer = models.transformer(model)
    if transformer is None:
        if mesh.shape["tensor"] > 1:
            rule = "this model has no attention heads to split"
            raise errors.UserError("config.mesh.tensor", rule, "Use data, fsdp or seq")
        return
    multiple = (model.backbone if model.family == "daflow" else model).multiple
    rows = scene.height // multiple
    for axis, what, count in (
        ("tensor", "attention heads", transformer.heads),
        ("seq", "rows of tokens", rows),
    ):
        if count % mesh.shape[axis]:
            divisors = [str(n) for n in range(1, count + 1) if count % n == 0]
            rule = f"{count} {what} do not divide over {mesh.shape[axis]}"
            remedy = "Use one of " + ", ".join(divisors)
            raise errors.UserError(f"config.mesh.{axis}", rule, remedy)


def _check_calls(train):
    if train.steps_per_call < 1 or train.steps % train.steps_per_call:
        rule = f"{train.steps_per_call} does not divide train.steps = {train.steps}"
        raise errors.UserError("config.train.steps_per_call", rule, "Use 1, or a divisor")


def _check_parts(train, mesh):
    clips = train.batch_size // (mesh.shape["data"] * mesh.shape["fsdp"])
    if train.accumulate < 1 or clips % train.accumulate:
        rule = f"{train.accumulate} does not divide the {clips} clips of a device"
        near = [parts for parts in range(1, clips + 1) if clips % parts == 0]
        raise errors.UserError(
            "config.train.accumulate", rule, f"Use one of {', '.join(map(str, near))}"
        )


def _plain(config: Any) -> Any:
    """Returns nested dicts with tuples for lists, whatever kind of mapping came in."""
    if isinstance(config, Mapping) or hasattr(config, "items"):
        return {name: _plain(value) for name, value in config.items()}
    return tuple(_plain(value) for value in config) if isinstance(config, list | tuple) else config


def _dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out = {}
    for name, value in values.items():
        nested = isinstance(value, Mapping)
        out |= _dotted(value, f"{prefix}{name}.") if nested else {prefix + name: value}
    return out


def _record(config, parts, source, data, model, task, mesh):
    """Returns the configuration with every default written out, as the workdir keeps it."""
    fields = {f.name: getattr(task, f.name) for f in dataclasses.fields(task) if f.name != "module"}
    return {name: dataclasses.asdict(part) for name, part in parts.items()} | {
        "data": {"source": source, **dataclasses.asdict(data)},
        "model": models.to_dict(model),
        "task": {"name": config["task"]["name"], **fields},
        "seed": data.seed,
        "precision": config.get("precision", "f32"),
        "mesh": dict(mesh.shape),
    }


def _saver(model, config):
    def save(folder, variables, record):
        task = config["task"]
        defaults = {key: task[key] for key in ("iters", "scales") if task.get(key)}
        name, plain = config["model"]["name"], models.unrolled(model)
        pretrained.save(
            folder, plain, loops.unrolled(variables), name=name, defaults=defaults, training=record
        )

    return save


def _write_image(path, image):
    from daflow_jax import io

    io.write_image(path, image)
