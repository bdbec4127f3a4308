"""The only reader of a configuration: plain values in, a checked experiment out."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from daflow_jax import precision, sharding
from daflow_jax.experiment import checks, clip_sources, sections, weights
from daflow_jax.experiment import networks as task_networks
from daflow_jax.experiment import record as records
from daflow_jax.input_pipeline.evaluation import Fit
from daflow_jax.tasks import inputs
from daflow_jax.train import optimizer, setup, state


def build(config: Any, devices: Sequence[jax.Device] | None = None) -> setup.Experiment:
    """Returns the experiment that `config` (a ConfigDict or nested dict) describes, for `devices`
    (by default all that JAX has).

    Raises UserError naming the field, the rule and the nearest known name; nothing is trained or
    loaded.
    """
    config = sections.plain(config)
    sections.check_known("config", config, sections.SECTIONS)
    parts = {
        name: sections.section(sections.SETTINGS[name], config, name)
        for name in ("train", "optimizer", "eval", "checkpoint", "log")
    }
    train, optimizing = parts["train"], parts["optimizer"]
    whole = sections.whole(config)
    policy = precision.parse(whole.precision)
    kind = task_networks.task_kind(config)
    networks = task_networks.build_networks(config, kind)
    task = task_networks.build_task(config, kind, networks, policy)
    learning = task_networks.train_patterns(optimizing.train, networks)
    checks.check_frozen(optimizing, parts["checkpoint"].init_from)
    data, place = sections.data(config, whole.seed)
    clip_sources.check_place(place, data)
    data = dataclasses.replace(data, keys=inputs.keys(task.inputs, data.keys))
    mesh = sharding.make_mesh(whole.mesh, devices)
    _check(parts, data.scene, mesh, networks)
    fit = (
        Fit(*(max(getattr(x, n) for x in networks.values()) for n in Fit._fields))
        if networks
        else Fit()
    )
    return setup.Experiment(
        config=records.record(
            parts,
            {"source": place, **dataclasses.asdict(data)},
            networks,
            (config["task"]["name"], task),
            {"seed": whole.seed, "precision": whole.precision, "mesh": dict(mesh.shape)},
        ),
        filled=records.filled,
        task=task,
        optimizer=optimizer.make_optimizer(optimizing, train.steps),
        data=clip_sources.training(place, data, train.batch_size, mesh),
        mesh=mesh,
        seed=whole.seed,
        train=train,
        example=inputs.zeros(task.inputs, _clip(data.scene), data.keys),
        partition=state.ParameterPartition(learning, optimizing.frozen, policy),
        eval=parts["eval"],
        eval_sets=clip_sources.evaluations(place, data, parts["eval"], train.batch_size, mesh, fit),
        checkpoint=parts["checkpoint"],
        log=parts["log"],
        load=functools.partial(weights.load_variables, networks=networks),
        find=weights.find,
        save=weights.saver(networks, _names(config, networks), task),
        write_image=_write_image,
        compute=policy.compute,
    )


def _check(parts, scene, mesh, networks) -> None:
    train, found = parts["train"], list(networks.values())
    checks.check_size(scene, found)
    sharding.check_batch_size(train.batch_size, mesh)
    checks.check_mesh(mesh, scene, found)
    checks.check_calls(train)
    checks.check_parts(train, mesh)


def _clip(scene) -> dict[str, int]:
    return {"b": 1, "f": scene.frames, "h": scene.height, "w": scene.width}


def _names(config, networks) -> dict[str, str]:
    """Returns the name of every network's architecture by field of the task."""
    section = {task_networks.MODULE: config.get("model", {}), **config.get("networks", {})}
    return {field: section[field]["name"] for field in networks}


def _write_image(path: Path, image: np.ndarray) -> None:
    from daflow_jax import io

    io.write_image(path, image)
