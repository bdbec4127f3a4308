"""The loop: it knows a task, an optimiser and where batches come from, and nothing of networks."""

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
from jax.sharding import Mesh
from jax.typing import DTypeLike

from daflow_jax import errors, sharding
from daflow_jax.profiling import peak_rates
from daflow_jax.sharding import axes, processes
from daflow_jax.tasks import base
from daflow_jax.tasks import batch as batches
from daflow_jax.train import checkpoint as checkpoints
from daflow_jax.train import data_feed as feeds
from daflow_jax.train import evaluator as evaluation
from daflow_jax.train import export as exports
from daflow_jax.train import initial, model_flops, signals
from daflow_jax.train import optimizer as optimizers
from daflow_jax.train import profile as profiles
from daflow_jax.train import recorder as recorders
from daflow_jax.train import state as states
from daflow_jax.train import step as steps
from daflow_jax.train import workdir as workdirs
from daflow_jax.train import writer as writers

RUN_AHEAD = 2  # steps that may be queued on the device before the host waits [choice]


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Steps, clips per global batch, steps in one device call, skipped steps in a row that end a
    run, parts of a batch whose gradients are taken one after the other (step.make_step).
    """

    steps: int
    batch_size: int
    steps_per_call: int = 1
    max_bad_steps: int = 10
    accumulate: int = 1


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
    """Every how many steps to save (0 = only at the end), how many to keep, and where weights start
    from (initial.parse).
    """

    every: int = 1000
    keep: int = 3
    init_from: str | Mapping[str, str] = ""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything a run needs, already checked; `config` is the resolved record of it."""

    config: dict[str, Any]
    task: base.Task
    optimizer: optimizers.Optimizer
    data: feeds.HostData | feeds.DeviceData
    example: batches.Batch  # clips of zeros, for shapes
    mesh: Mesh
    seed: int
    train: TrainConfig
    write_image: writers.ImageWriter
    leaves: states.Leaves = states.Leaves()
    eval: evaluation.EvalConfig = evaluation.EvalConfig()
    eval_sets: dict[str, evaluation.EvalSet] = dataclasses.field(default_factory=dict)
    checkpoint: CheckpointConfig = CheckpointConfig()
    log: writers.LogConfig = writers.LogConfig()
    load: Callable[[str], Any] = checkpoints.load_variables  # what init_from names
    save: exports.Saver | None = None  # writes a model folder
    compute: DTypeLike = np.float32  # of the matrix products, for the utilisation of the devices


def train(experiment: Experiment, workdir: str | os.PathLike) -> int:
    """Returns the exit code of a run in `workdir`: 0 done, 143 or 130 stopped by a signal, to any
    of its processes, after saving.

    All processes of a run call it, with one folder that all see. A workdir that holds checkpoints
    is resumed. Raises UserError for what the person can mend, and with code 1 after too many steps
    whose loss was not finite.
    """
    folder = Path(workdir).absolute()
    with contextlib.ExitStack() as stack:
        done = processes.on_main(lambda: _claim(stack, folder, experiment))
        if done is not None and done >= experiment.train.steps:
            if processes.is_main():
                print(f"{folder}: done at step {done}, nothing to do")
            return 0
        workdirs.check_shared(folder)
        stack.enter_context(jax.set_mesh(experiment.mesh))
        run = Run(experiment, folder)
        try:
            code = run()
        except BaseException:
            if jax.process_count() == 1:  # several would wait for each other
                with contextlib.suppress(Exception):  # the first error is the one to tell
                    run.close()
            raise
        run.close()
        return code


def _claim(stack: contextlib.ExitStack, folder: Path, experiment: Experiment) -> int | None:
    """Returns the step at which the run in `folder`, now ours, was done."""
    folder.mkdir(parents=True, exist_ok=True)
    stack.enter_context(workdirs.hold(folder))
    workdirs.bind(folder, experiment.config)
    return workdirs.done_step(folder)


class Run:
    """One run from its first state (new or resumed) to its last."""

    def __init__(self, experiment: Experiment, folder: Path):
        self._e, self._folder = experiment, folder
        notes: list[str] = []
        self._checkpoints = checkpoints.Checkpoints(
            folder, experiment.checkpoint.keep, notes.append
        )
        like = abstract_state(experiment)
        self._feed = feeds.make_feed(
            experiment.data,
            make_step(experiment),
            experiment.mesh,
            like,
            experiment.train.steps_per_call,
        )
        restored = self._checkpoints.restore(like)
        meta = restored[1] if restored else {"step": 0, "best": None}
        self._step, self._best, self._saved = (
            meta["step"],
            meta["best"],
            meta["step"] if restored else -1,
        )
        self._writer = writers.Writer(folder, experiment.log, experiment.write_image, self._step)
        self._state = restored[0] if restored else self._new_state(like, notes)
        if restored:
            notes.append(f"resumed from step {self._step}")
            self._restore_data(meta)
        for text in notes:
            self._writer.note(text)
        self._evaluate = evaluation.Evaluator(
            experiment.task, experiment.eval_sets, experiment.mesh
        )
        self._paths = states.leaf_paths(like.params)

    def _new_state(self, like, notes):
        state = initial_state(self._e, like)
        for source in initial.parse(self._e.checkpoint.init_from):
            whole = {"params": states.merge(state.params, state.frozen), **state.aux}
            given = self._e.load(source.path)
            new = initial.graft(whole, given, source)
            notes.append(
                f"init_from {source.path}: {_listed('unused', new.unused)}; "
                f"{_listed('left new', new.untouched)}; {_listed('cast', new.cast)}"
            )
            state = _with_variables(state, new.variables, self._e.leaves)
        return state

    def _restore_data(self, meta):
        try:
            self._feed.set_state(meta["data"])
        except (KeyError, ValueError) as error:
            rule = f"the data position does not fit this loader ({error!r})"
            raise errors.UserError(
                self._folder, rule, "Keep the number of data workers of the first run"
            ) from error

    def __call__(self) -> int:
        start, stopped = self._step, 0
        recorder = recorders.Recorder(work(self._e), self._step)
        profiler = profiles.Profiler(self._folder, self._e.log.profile)
        vote = processes.Vote(self._e.mesh, RUN_AHEAD)
        with signals.caught() as stop:
            while self._step < self._e.train.steps and not stopped:
                before = self._step
                profiler.before(before, self._state)
                if before == start:
                    self._first_step(recorder)
                else:
                    self._advance(recorder)
                self._log(recorder, before)
                self._look(recorder, before)
                stopped = vote(stop[0] if stop else 0)
        profiler.end(self._state)
        self._save()
        if stopped:
            self._checkpoints.wait()
            self._writer.note(f"stopped by signal {stopped} at step {self._step}, saved")
            return 128 + stopped
        return self._finish()

    def _advance(self, recorder):
        self._state, metrics = self._feed(self._state)
        self._step += self._feed.steps_per_call
        recorder.add(metrics, RUN_AHEAD)

    def _first_step(self, recorder):
        start = time.monotonic()
        with recorder.aside(self._step + self._feed.steps_per_call):
            self._advance(recorder)
            jax.block_until_ready(self._state)
        self._writer.note(
            f"first step after {time.monotonic() - start:.1f} s (compilation included)"
        )

    def _log(self, recorder, before):
        if not _due(before, self._step, self._e.log.every) and self._step < self._e.train.steps:
            return
        values, speed = recorder.take(self._step, self._feed.wait)
        self._writer.note(writers.line(self._step, self._e.train.steps, values, speed))
        self._writer.scalars(self._step, values | speed)
        self._checkpoints.check()
        self._check_health()

    def _check_health(self):
        health = jax.device_get(self._state.health)
        if health.bad < self._e.train.max_bad_steps:
            return
        self._save()
        self._checkpoints.wait()
        size = self._e.train.batch_size
        clips = f"clips {size * health.first_step} to {size * (health.first_step + 1) - 1}"
        leaf = (
            self._paths[health.first_leaf] if health.first_leaf >= 0 else "none (the loss itself)"
        )
        raise errors.UserError(
            f"step {health.first_step}",
            f"loss or gradient not finite, {health.bad} steps in a row skipped, the first on "
            f"{clips} of the stream; first bad leaf: {leaf}",
            f"The last good weights are saved in {self._folder}; lower the rate or check the data",
            code=1,
        )

    def _look(self, recorder, before):
        every = self._e.log.pictures_every, self._e.eval.every, self._e.checkpoint.every
        pictures, evaluate, save = (_due(before, self._step, n) for n in every)
        if pictures or evaluate or save:
            jax.block_until_ready(self._state.step)  # so that the steps' time is theirs
        with recorder.aside():
            if pictures:
                self._pictures()
            if evaluate:
                self._evaluate_now()
        if save:
            with recorder.saving():
                self._save()

    def _pictures(self):
        for name, open_set in self._e.eval_sets.items():
            clip = evaluation.first_clip(next(iter(open_set())), self._e.mesh)
            variables = states.variables(self._state)
            params, aux = variables.pop("params"), variables
            images = self._e.task.pictures(
                params, aux, cast(batches.Batch, clip), jax.random.key(0)
            )
            self._writer.pictures(self._step, {f"{name}_{key}": x for key, x in images.items()})

    def _evaluate_now(self):
        metric = self._e.task.best
        for name, values in self._evaluate(self._state).items():
            self._writer.evaluation(self._step, name, values)
            shown = "  ".join(f"{key} {value:.4g}" for key, value in values.items())
            self._writer.note(f"step {self._step} eval {name}: {shown}")
            first = name == next(iter(self._e.eval_sets))
            value = values[metric.lstrip("-")]
            if first and np.isfinite(value) and evaluation.better(metric, value, self._best):
                self._best = value
                self._export("best", {metric.lstrip("-"): value})

    def _save(self):
        if self._saved == self._step:
            return
        meta = {"config": self._e.config, "best": self._best, "data": self._feed.get_state()}
        self._checkpoints.save(self._step, self._state, meta)
        self._saved = self._step

    def _finish(self) -> int:
        if not _due(self._step - self._feed.steps_per_call, self._step, self._e.eval.every):
            self._evaluate_now()
        self._export("last", {})
        self._checkpoints.wait()
        if processes.is_main():
            workdirs.mark_done(self._folder, self._step)
        self._writer.note(f"done at step {self._step}")
        return 0

    def _export(self, name, results):
        if self._e.save is not None:
            record = {"step": self._step, "results": results, "config": self._e.config}
            exports.export(
                self._folder / "export" / name, states.variables(self._state), record, self._e.save
            )

    def close(self) -> None:
        """Waits for what is being written."""
        self._checkpoints.close()
        self._writer.close()


def make_step(experiment: Experiment) -> steps.Step:
    """Returns the run's step; on CPUs the parts of a batch are written out."""
    unroll = experiment.mesh.devices.flat[0].platform == "cpu"
    accumulate = experiment.train.accumulate
    return steps.make_step(experiment.task, experiment.optimizer, accumulate, unroll)


def work(experiment: Experiment) -> recorders.Work:
    """Returns what a step does; its FLOPs are counted where the devices' rate is known."""
    size, shape = experiment.train.batch_size, experiment.example["lq"].shape[1:4]
    plain = recorders.Work(experiment.train.steps, size, size * max(shape[0] - 1, 1))
    rate = peak_rates.peak_flops(experiment.mesh.devices.flat[0].device_kind, experiment.compute)
    if rate is None:
        return plain
    batch = batches.spec(size, *shape, weight=True)
    step = experiment.task, experiment.optimizer, abstract_state(experiment), batch
    return plain._replace(
        flops=model_flops.per_step(*step), peak=rate * experiment.mesh.devices.size
    )


def abstract_state(experiment: Experiment) -> states.TrainState:
    """Returns shapes, dtypes and shardings of the run's state, computing nothing."""
    abstract = jax.eval_shape(lambda: _create(experiment))
    named = axes.recorded(lambda: experiment.task.init(jax.random.key(0), experiment.example))
    names = {path.removeprefix("params/"): value for path, value in named.items()}
    places = sharding.tree_shardings(abstract, experiment.mesh, names)
    return jax.tree.map(
        lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), abstract, places
    )


def initial_state(experiment: Experiment, like: states.TrainState) -> states.TrainState:
    """Returns the state of step 0, each leaf made where `like` wants it."""
    return jax.jit(lambda: _create(experiment), out_shardings=feeds.shardings(like))()


def _create(experiment):
    init_key, run_key = jax.random.split(jax.random.key(experiment.seed))
    variables = experiment.task.init(init_key, experiment.example)
    return states.create(variables, run_key, experiment.optimizer, experiment.leaves)


def _with_variables(state, variables, leaves):
    params, held = states.split(variables["params"], leaves)
    aux = {name: tree for name, tree in variables.items() if name != "params"}
    ema = None if state.ema is None else jax.tree.map(jax.numpy.copy, states.as_float32(params))
    return state.replace(params=params, frozen=held, aux=aux, ema=ema)


def _due(before: int, now: int, every: int) -> bool:
    return every > 0 and now // every > before // every


def _listed(what: str, names: list[str]) -> str:
    return f"{what} {len(names)}" + (
        f" ({', '.join(names[:5])}{', ...' if names[5:] else ''})" if names else ""
    )
