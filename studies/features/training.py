"""Arms that learn in turns, a slice of processor time each, so that all have had the same."""

import dataclasses
import functools
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import errors, models, pretrained
from daflow_jax.input_pipeline import loader, settings
from daflow_jax.io import atomic
from daflow_jax.train import checkpoint as checkpoints
from daflow_jax.train import groups, optimizer
from daflow_jax.train import state as states
from daflow_jax.train import step as steps
from studies.features.arms import Arm
from studies.features.task import Losses

NEW = ("gain", "project/.*", "lift/.*", "flow/update/second/.*")  # what a RAFT has not
WARM = 0.05  # share of a run until the rate is at its peak (RAFT's one cycle)
EVERY = 25  # steps a line of the log


class Plan(NamedTuple):
    """seconds: of processor time for every arm (0: count steps). steps: of every arm, if seconds is
    0. batch: clips. iters: refinement steps. rate: at its peak. slice: seconds until it is another
    arm's turn, and its checkpoint is written."""

    seconds: float
    steps: int
    batch: int
    iters: int
    rate: float = 1e-4
    new_rate: float = 3.0
    slice: float = 120.0


class Runner:
    """One arm at one seed: its state, its clips, and the time that it has had."""

    def __init__(
        self,
        folder: Path,
        arm: Arm,
        start: Path,
        data: settings.DataConfig,
        plan: Plan,
        teacher: Any,
        log: Callable[[str], None] = print,
    ):
        self.folder, self._arm, self._plan, self._log = folder, arm, plan, log
        found = pretrained.load(start)
        self._config, module = found.config, models.build(found.config)
        self._optimizer = _optimizer(plan, arm, found.config)
        self._partition = _partition(found.config)
        variables = jax.tree.map(jnp.asarray, found.variables)
        key = jax.random.key(data.seed)
        self._state: Any = states.create(variables, key, self._optimizer, self._partition)
        self._loader = loader.make_loader(data, plan.batch)
        folder.mkdir(parents=True, exist_ok=True)
        self._checkpoints = checkpoints.Checkpoints(folder, 2, log)
        self.seconds, self.steps, self._begun = 0.0, 0, False
        self._resume()
        make = functools.partial(Losses, module, plan.iters, arm=arm, teacher=teacher)
        self._steps = {alone: _step(make(alone=alone), self._optimizer) for alone in (True, False)}
        self._values: list[dict[str, float]] = []

    @property
    def progress(self) -> float:
        """Share of the run that is over, 1 at its end."""
        if self._plan.seconds:
            return self.seconds / self._plan.seconds
        return self.steps / self._plan.steps

    def turn(self) -> None:
        """Learns for one slice, then saves; the end of a run is exported."""
        end = self.seconds + self._plan.slice
        while self.progress < 1 and self.seconds < end:
            self._one()
        self._save()
        if self.progress >= 1:
            self._export()

    def close(self) -> None:
        """Waits for what is being written."""
        self._checkpoints.close()
        self._loader.close()

    def _one(self):
        alone = self.progress < self._arm.alone
        if not alone and self._begun:  # moments of a flow without gradients would be far too small
            opt_state = self._optimizer.tx.init(states.as_float32(self._state.params))
            self._state, self._begun = self._state.replace(opt_state=opt_state), False
        first = alone not in self._compiled
        begin = time.process_time()
        batch = {key: jnp.asarray(x) for key, x in next(self._loader).items()}
        rate = jnp.float32(self._plan.rate * one_cycle(self.progress))
        self._state, values = self._steps[alone](self._state, batch, rate)
        values = {name: float(x) for name, x in values.items()}
        if not first:  # compiling is no learning
            self.seconds += time.process_time() - begin
        self._compiled.add(alone)
        self._begun |= alone
        self.steps += 1
        self._note(values)

    @functools.cached_property
    def _compiled(self) -> set[bool]:
        return set()

    def _note(self, values):
        if values.pop("skipped", 0):
            self._log(f"{self.folder.name}: step {self.steps} was not finite")
        self._values.append(values)
        if len(self._values) < EVERY:
            return
        last = self._values[-1].keys()
        means = {
            k: float(np.mean([v[k] for v in self._values if k in v])) for k in last
        }  # fmt: skip
        line = {"step": self.steps, "seconds": round(self.seconds, 1), **means}
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._values = []

    def _meta(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "steps": self.steps,
            "begun": self._begun,
            "data": self._loader.get_state(),
        }

    def _save(self):
        self._checkpoints.save(self.steps, self._state, self._meta())
        self._checkpoints.wait()
        self._log(f"{self.folder.name}: step {self.steps}, {self.seconds:.0f} s")

    def _resume(self):
        like = jax.tree.map(lambda x: x, self._state)
        found = self._checkpoints.restore(like)
        if found is None:
            return
        self._state, meta = found
        self.seconds, self.steps, self._begun = meta["seconds"], meta["steps"], meta["begun"]
        self._loader.set_state(meta["data"])
        self._log(f"{self.folder.name}: resumed at step {self.steps}")

    def _export(self):
        variables = states.variables(self._state)
        record = {"arm": self._arm.text, "steps": self.steps, "seconds": round(self.seconds, 1)}
        defaults = {"iters": self._plan.iters}
        name = self.folder.name
        pretrained.save(
            self.folder / "export", quick(self._config), variables,
            name=name, defaults=defaults, training=record,
        )  # fmt: skip
        atomic.write_text(self.folder / "done", json.dumps(record) + "\n")


def in_turns(runners: Mapping[str, Runner]) -> None:
    """Lets the runner learn that has had the smallest share, until all are done."""
    try:
        while left := [r for r in runners.values() if r.progress < 1]:
            min(left, key=lambda runner: runner.progress).turn()
    finally:
        for runner in runners.values():
            runner.close()


def quick(config: Any) -> Any:
    """Returns a configuration whose look-up is the one that is fast without gradients."""
    if hasattr(config, "lookup"):
        return dataclasses.replace(config, lookup="gather")
    return dataclasses.replace(config, flow=quick(config.flow))


def one_cycle(progress: float) -> float:
    """Returns RAFT's rate relative to its peak at a share of the run: linear up, linear down."""
    if progress < WARM:
        return 0.04 + 0.96 * progress / WARM
    return max((1 - progress) / (1 - WARM), 0.0)


def _step(losses: Losses, made: optimizer.Optimizer):
    """Returns the compiled update of (state, batch, rate)."""

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, batch, rate):
        return steps.make_step(losses, made._replace(rate=lambda _: rate))(state, batch)

    return step


def _optimizer(plan: Plan, arm: Arm, config: Any) -> optimizer.Optimizer:
    found = ()
    if arm.second is not None:
        new = models.trainable_sets(config)["second"]
        found = (groups.Group(new, lr_scale=plan.new_rate, name="new"),)
    wanted = optimizer.OptimizerConfig(plan.rate, weight_decay=1e-5, groups=found)
    return optimizer.make_optimizer(wanted, 1)


def _partition(config: Any) -> states.ParameterPartition:
    sets = models.trainable_sets(config)
    return states.ParameterPartition(sets.get("flow", sets["all"]))


def check_folder(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Writes what a folder's runs are made by; raises UserError where it was made by other
    settings."""
    file = folder / "settings.json"
    if file.exists():
        known = json.loads(file.read_text())
        for name, value in json.loads(json.dumps(wanted)).items():
            if known.get(name) != value:
                rule = f"was made with {name} {known.get(name)!r}, now it is {value!r}"
                raise errors.UserError(folder, rule, "Give the same settings, or another folder")
        return
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(file, json.dumps(wanted, indent=1) + "\n")
