"""The only reader of a configuration: plain values in, a checked experiment out."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from daflow_jax import batch as batches
from daflow_jax import errors, model_folder, models, precision, sharding, tasks
from daflow_jax.generate import scene as scenes
from daflow_jax.input_pipeline import sources
from daflow_jax.predict import padding
from daflow_jax.train import checkpoint, evaluate, feed, loop, optimizer, writer

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


def build(config: Any) -> loop.Experiment:
    """Returns the experiment that `config` (a ConfigDict or nested dict) describes.

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
    task = build_task(config, models.build(model, policy.compute, policy.param))
    data, source = build_data(config, seed)
    _check_size(data.scene, model)
    mesh = sharding.make_mesh(config.get("mesh", {"data": -1, "fsdp": 1}))
    sharding.check_batch_size(train.batch_size, mesh)
    _check_calls(train)
    return loop.Experiment(
        config=_record(config, parts, source, data, model, task, mesh),
        task=task,
        optimizer=optimizer.make_optimizer(optimizing, train.steps),
        data=SOURCES[source].train(data, train.batch_size),
        mesh=mesh,
        seed=seed,
        train=train,
        example=batches.zeros(1, data.scene.frames, data.scene.height, data.scene.width),
        frozen=optimizing.frozen,
        eval=evaluating,
        eval_sets={
            sources.HELD_OUT: SOURCES[source].evaluation(data, train.batch_size, evaluating.batches)
        },
        checkpoint=parts["checkpoint"],
        log=parts["log"],
        load=load_variables,
        save=_saver(model, config),
        write_image=_write_image,
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
    def train(data: sources.DataConfig, batch_size: int) -> feed.HostData:
        """Returns the loader of this process's share of every batch."""

        def open_loader():
            from daflow_jax.input_pipeline import loader

            count = jax.process_count()
            return loader.make_loader(data, batch_size // count, jax.process_index(), count)

        return feed.HostData(open_loader)

    @staticmethod
    def evaluation(data: sources.DataConfig, batch_size: int, count: int) -> evaluate.EvalSet:
        """Returns `count` batches of held-out clips, the same at every evaluation."""

        @functools.cache
        def rows():
            from daflow_jax.input_pipeline import loader

            clips = loader.eval_clips(data, batch_size * count)[
                jax.process_index() :: jax.process_count()
            ]
            local = batch_size // jax.process_count()
            groups = (clips[i : i + local] for i in range(0, len(clips), local))
            return [
                {k: np.stack([clip[k] for clip in group]) for k in data.keys} for group in groups
            ]

        return rows


class DeviceSource:
    """Clips made on the accelerator inside the step; imports neither grain nor av."""

    @staticmethod
    def train(data: sources.DataConfig, batch_size: int) -> feed.DeviceData:
        """Returns the function of the step that makes its batch."""
        from daflow_jax.generate import textures
        from daflow_jax.input_pipeline import on_device

        def make(constants, step):
            return on_device.device_batch(data, constants, data.seed, step, batch_size)

        return feed.DeviceData(make, textures.atlas(data.scene, data.seed))

    @staticmethod
    def evaluation(data: sources.DataConfig, batch_size: int, count: int) -> evaluate.EvalSet:
        """Returns `count` batches of held-out clips, the same at every evaluation."""
        held_out = dataclasses.replace(data, seed=data.seed + sources.EVAL_SEED)
        first, local = (n * batch_size // jax.process_count() for n in (jax.process_index(), 1))

        def rows():
            source = DeviceSource.train(held_out, batch_size)
            make = jax.jit(source.make)
            for step in range(count):
                batch = jax.device_get(make(source.constants, step))
                yield {key: value[first : first + local] for key, value in batch.items()}

        return rows


SOURCES = {"host": HostSource, "device": DeviceSource}


def load_variables(path: str) -> dict[str, Any]:
    """Returns the variables of a workdir's newest checkpoint, or of a model folder or name."""
    if (Path(path) / "checkpoints").is_dir():
        return checkpoint.load_variables(Path(path))
    return model_folder.load(model_folder.resolve(path)).variables


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


def _check_calls(train):
    if train.steps_per_call < 1 or train.steps % train.steps_per_call:
        rule = f"{train.steps_per_call} does not divide train.steps = {train.steps}"
        raise errors.UserError("config.train.steps_per_call", rule, "Use 1, or a divisor")


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
        defaults = {"iters": config["task"]["iters"]} if "iters" in config["task"] else None
        name = config["model"]["name"]
        model_folder.save(folder, model, variables, name=name, defaults=defaults, training=record)

    return save


def _write_image(path, image):
    from daflow_jax import io

    io.write_image(path, image)
