"""The loop: it knows a task, an optimiser and where batches come from, and nothing of networks."""

import contextlib
import os
import sys
import time

import jax
import numpy as np

from daflow_jax import errors
from daflow_jax.io import storage
from daflow_jax.sharding import processes
from daflow_jax.train import checkpoint as checkpoints
from daflow_jax.train import data_feed, signals
from daflow_jax.train import evaluator as evaluation
from daflow_jax.train import export as exports
from daflow_jax.train import profile as profiles
from daflow_jax.train import recorder as recorders
from daflow_jax.train import state as states
from daflow_jax.train import workdir as workdirs
from daflow_jax.train import writer as writers
from daflow_jax.train.setup import (
    Experiment,
    abstract_state,
    check_sources,
    first_state,
    make_step,
    work,
)

RUN_AHEAD = 2  # steps that may be queued on the device before the host waits [choice]


def train(experiment: Experiment, workdir: str | os.PathLike) -> int:
    """Returns the exit code of a run in `workdir`: 0 done, 143 or 130 stopped by a signal, to any
    of its processes, after saving.

    All processes of a run call it, with one folder that all see. A workdir that holds checkpoints
    is resumed. Raises UserError for what the person can correct, and with code 1 after too many
    steps whose loss was not finite.
    """
    folder = storage.absolute(workdir)
    storage.check(folder)
    if not any(folder.glob("checkpoints/*")):
        check_sources(experiment)  # before anything is compiled, or left in a new folder
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
                with contextlib.suppress(Exception):  # the first error is the one to report
                    run.close()
            raise
        run.close()
        return code


def _claim(
    stack: contextlib.ExitStack, folder: storage.Place, experiment: Experiment
) -> int | None:
    """Returns the step at which the run in `folder`, now ours, was done."""
    storage.make_folder(folder)
    stack.enter_context(workdirs.hold(folder, _say))
    workdirs.bind(folder, experiment.config, experiment.filled)
    return workdirs.done_step(folder)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


class Run:
    """One run from its first state (new or resumed) to its last."""

    def __init__(self, experiment: Experiment, folder: storage.Place):
        self._e, self._folder = experiment, folder
        lines: list[str] = []
        self._checkpoints = checkpoints.Checkpoints(
            folder, experiment.checkpoint.keep, lines.append
        )
        like = abstract_state(experiment)
        self._feed = data_feed.make_feed(
            experiment.data,
            make_step(experiment),
            experiment.mesh,
            like,
            experiment.train.steps_per_call,
            experiment.task.inputs,
        )
        restored = self._checkpoints.restore(like)
        meta = restored[1] if restored else {"step": 0, "best": None}
        self._step, self._best, self._saved = (
            meta["step"],
            meta["best"],
            meta["step"] if restored else -1,
        )
        self._writer = writers.Writer(folder, experiment.log, experiment.write_image, self._step)
        self._state = restored[0] if restored else first_state(experiment, like, lines.append)
        if restored:
            lines.append(f"resumed from step {self._step}")
            self._restore_data(meta)
        for text in lines:
            self._writer.log(text)
        self._evaluate = evaluation.Evaluator(
            experiment.task, experiment.eval_sets, experiment.mesh
        )
        self._paths = states.leaf_paths(like.params)
        self._clips: dict[str, dict[str, np.ndarray]] = {}  # shown of every set

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
        profiler = profiles.Profiler(self._writer.folder, self._e.log.profile)
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
            self._writer.log(f"stopped by signal {stopped} at step {self._step}, saved")
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
        self._writer.log(
            f"first step after {time.monotonic() - start:.1f} s (compilation included)"
        )

    def _log(self, recorder, before):
        if not _due(before, self._step, self._e.log.every) and self._step < self._e.train.steps:
            return
        values, speed = recorder.take(self._step, self._feed.wait)
        place = self._step, self._e.train.steps
        self._writer.log(writers.line(*place, values, speed, self._e.task.work_unit))
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
        variables = states.variables(self._state)
        params, aux = variables.pop("params"), variables
        for name, open_set in self._e.eval_sets.items():
            if name not in self._clips:  # held, so that no batch is made for one picture
                self._clips[name] = evaluation.first_clip(next(iter(open_set())), self._e.mesh)
            images = self._e.task.pictures(params, aux, self._clips[name], jax.random.key(0))
            if images:
                named = {f"{name}_{key}": image for key, image in images.items()}
                self._writer.pictures(self._step, named)

    def _evaluate_now(self):
        metric = self._e.task.best
        for name, values in self._evaluate(self._state).items():
            self._writer.evaluation(self._step, name, values)
            shown = "  ".join(f"{key} {value:.4g}" for key, value in values.items())
            self._writer.log(f"step {self._step} eval {name}: {shown}")
            first = name == next(iter(self._e.eval_sets))
            value = values[metric.lstrip("-")]
            if first and np.isfinite(value) and evaluation.better(metric, value, self._best):
                self._best = value
                self._export("best", {metric.lstrip("-"): value})

    def _save(self):
        if self._saved == self._step:
            return
        self._writer.sync()  # numbers of the steps before a checkpoint are never lost
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
        self._writer.log(f"done at step {self._step}")
        return 0

    def _export(self, name, results):
        if self._e.save is None:
            return
        variables = states.variables(self._state)
        params, aux = variables.pop("params"), variables
        record = {"step": self._step, "results": results, "config": self._e.config}
        exported = self._e.task.exported(params, aux)
        exports.export(self._folder / "export" / name, exported, record, self._e.save)

    def close(self) -> None:
        """Waits for what is being written."""
        try:
            self._checkpoints.close()
        finally:
            self._writer.close()


def _due(before: int, now: int, every: int) -> bool:
    return every > 0 and now // every > before // every
