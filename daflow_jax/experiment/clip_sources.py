"""Where the clips of a run are made, on the host or on the device, to train on and to evaluate."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from daflow_jax import errors, sharding
from daflow_jax.input_pipeline import settings, sources
from daflow_jax.input_pipeline.evaluation import Fit
from daflow_jax.train import data_feed, evaluator

PLACES = ("host", "device")


def check_place(place: str, data: settings.DataConfig) -> None:
    """Raises UserError for an unknown place or source, and for files to be read on the device."""
    if place not in PLACES:
        remedy = errors.nearest(place, PLACES)
        raise errors.UserError("config.data.source", f"unknown {place!r}", remedy)
    sources.check(data.name)
    if place == "device" and data.name != "synthetic":
        what = "files are" if data.sources else f"{data.name!r} is"
        raise errors.UserError("config.data.source", f"{what} read on the host", 'Set it to "host"')
    if place == "device" and data.degrade.single_share:
        rule, remedy = (
            "is not made on the device",
            'Leave it out, or set config.data.source to "host"',
        )
        raise errors.UserError("config.degrade.single_share", rule, remedy)


def training(
    place: str, data: settings.DataConfig, batch_size: int, mesh: Mesh
) -> data_feed.HostData | data_feed.DeviceData:
    """Returns the loader of this process's share of every batch (NumPy and OpenCV, in this process
    or in Grain's workers), or the function of the step that makes a batch on the device.
    """
    if place == "device":
        return _on_device(data, batch_size)

    def open_loader():
        from daflow_jax.input_pipeline import loader

        index, parts = sharding.process_share(mesh)
        return loader.make_loader(data, batch_size // parts, index, parts)

    return data_feed.HostData(open_loader)


def _on_device(data: settings.DataConfig, batch_size: int) -> data_feed.DeviceData:
    """Imports neither grain nor av."""
    from daflow_jax.input_pipeline import on_device
    from daflow_jax.synthetic import textures

    def make(constants, step):
        return on_device.device_batch(data, constants, data.seed, step, batch_size)

    return data_feed.DeviceData(make, textures.atlas(data.scene, data.seed))


def evaluations(
    place: str,
    data: settings.DataConfig,
    evaluating: evaluator.EvalConfig,
    batch_size: int,
    mesh: Mesh,
    fit: Fit,
) -> dict[str, evaluator.EvalSet]:
    """Returns the sets that a run is evaluated on, by name: those of the configuration, or
    held-out clips of the training's own source.

    Clips are made or read anew at every evaluation, one batch at a time: held for the whole run,
    those of configs/daflow/flow_base.py would take 1.5 GB.
    """
    own = sources.held_out(data).name
    listed: Sequence[settings.EvalSource] = evaluating.sets or (settings.EvalSource(own, own),)
    names = [found.name for found in listed]
    for name in names:
        if names.count(name) > 1:
            remedy = "Names are those of the logs"
            raise errors.UserError("config.eval.sets", f"two sets are called {name!r}", remedy)
    out: dict[str, evaluator.EvalSet] = {}
    for found in listed:
        count = found.batches or evaluating.batches
        if found.kind in ("built", "folder"):
            out[found.name] = _of_files(data, found, count * batch_size, batch_size, mesh, fit)
            continue
        _check_kind(found)
        making = _held_out_on_device if place == "device" else _held_out
        out[found.name] = making(data, found, count, batch_size, mesh)
    return out


def _check_kind(found: settings.EvalSource) -> None:
    known = ["built", "folder", *(name for name in sources.SOURCES if name != "mixture")]
    if found.kind not in known:
        where, remedy = f"eval set {found.name}.kind", errors.nearest(found.kind, known)
        raise errors.UserError(where, f"unknown {found.kind!r}", remedy)


def _held_out(data, found, count, batch_size, mesh) -> evaluator.EvalSet:
    from daflow_jax.input_pipeline import evaluation

    clips = functools.cache(lambda: evaluation.HeldOut(data, found.kind, found.degrade))

    def rows():
        share = sharding.process_share(mesh)
        for own, _ in evaluator.places(batch_size * count, batch_size, *share):  # all are full
            yield _stacked([clips()[number] for number in own])

    return rows


def _held_out_on_device(data, found, count, batch_size, mesh) -> evaluator.EvalSet:
    from daflow_jax.input_pipeline import evaluation

    held_out = sources.held_out(data if found.degrade else evaluation.clean(data), found.kind)

    @functools.cache
    def generator() -> tuple[Callable[..., Any], Any]:
        source = _on_device(held_out, batch_size)
        make = jax.jit(source.make, out_shardings=sharding.batch_sharding(mesh))
        return make, source.constants

    def rows():
        make, constants = generator()  # traced once for the run
        for step in range(count):
            yield make(constants, step)

    return rows


def _of_files(data, found, count, batch_size, mesh, fit) -> evaluator.EvalSet:
    from daflow_jax.input_pipeline import evaluation

    @functools.cache
    def windows():
        files = evaluation.FileWindows(data, found, count, fit)
        return files, files.groups()

    def rows():
        windows()  # opened before the first batch is asked for
        return batches()

    def batches():
        files, groups = windows()
        share = sharding.process_share(mesh)
        for group in groups:
            for own, weights in evaluator.places(len(group), batch_size, *share):
                batch = _stacked([files[group[place]] for place in own])
                yield batch | {"weight": np.array(weights, np.float32)}

    return rows


def _stacked(clips: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {key: np.stack([clip[key] for clip in clips]) for key in clips[0]}
