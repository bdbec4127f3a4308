"""What a run is made of, and its first state."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jax.typing import DTypeLike

from daflow_jax import ranges, sharding
from daflow_jax.profiling import peak_rates
from daflow_jax.sharding import axes
from daflow_jax.tasks import base, inputs
from daflow_jax.train import checkpoint as checkpoints
from daflow_jax.train import data_feed, initial, model_flops
from daflow_jax.train import evaluator as evaluation
from daflow_jax.train import export as exports
from daflow_jax.train import optimizer as optimizers
from daflow_jax.train import recorder as recorders
from daflow_jax.train import state as states
from daflow_jax.train import step as steps
from daflow_jax.train import writer as writers


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

    def __post_init__(self):
        counts = dict.fromkeys(("steps", "steps_per_call", "max_bad_steps"), (1, ranges.COUNT))
        ranges.check(self, **counts, batch_size=(1, 2**20), accumulate=(1, 2**20))


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
    """Every how many steps to save (0 = only at the end), how many to keep, and where weights start
    from (`initial.parse`; "random": drawn ones are meant, also where parts never train).
    """

    every: int = 1000
    keep: int = 3
    init_from: str | Mapping[str, str] = ""

    def __post_init__(self):
        ranges.check(self, every=(0, ranges.COUNT), keep=(1, ranges.COUNT))
        initial.parse(self.init_from)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything a run needs, already checked; `config` is the resolved record of it."""

    config: dict[str, Any]
    task: base.Task
    optimizer: optimizers.Optimizer
    data: data_feed.HostData | data_feed.DeviceData
    example: inputs.Batch  # clips of zeros with the keys of every batch, for shapes
    mesh: Mesh
    seed: int
    train: TrainConfig
    write_image: writers.ImageWriter
    partition: states.ParameterPartition = states.WHOLE
    eval: evaluation.EvalConfig = evaluation.EvalConfig()
    eval_sets: dict[str, evaluation.EvalSet] = dataclasses.field(default_factory=dict)
    checkpoint: CheckpointConfig = CheckpointConfig()
    log: writers.LogConfig = writers.LogConfig()
    load: Callable[[str], Any] = checkpoints.load_variables  # what init_from names
    find: Callable[[str], None] = lambda path: None  # raises UserError where there is nothing
    filled: Callable[[dict[str, Any]], dict[str, Any]] = dict  # an older record, with defaults
    save: exports.Saver | None = None  # writes model folders
    compute: DTypeLike = np.float32  # of the matrix products, for the utilisation of the devices


def make_step(experiment: Experiment) -> steps.Step:
    """Returns the run's step; on CPUs the parts of a batch are written out."""
    unroll = experiment.mesh.devices.flat[0].platform == "cpu"
    accumulate = experiment.train.accumulate
    return steps.make_step(experiment.task, experiment.optimizer, accumulate, unroll)


def batch_spec(experiment: Experiment) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and dtypes of a global batch."""
    size = experiment.train.batch_size
    return {
        key: jax.ShapeDtypeStruct((size, *x.shape[1:]), x.dtype)
        for key, x in experiment.example.items()
    }


def work(experiment: Experiment) -> recorders.Work:
    """Returns what a step does; its FLOPs are counted where the devices' rate is known."""
    task, size = experiment.task, experiment.train.batch_size
    units = size * base.units(task, experiment.example)
    plain = recorders.Work(experiment.train.steps, size, units, task.work_unit)
    rate = peak_rates.peak_flops(experiment.mesh.devices.flat[0].device_kind, experiment.compute)
    if rate is None:
        return plain
    step = task, experiment.optimizer, abstract_state(experiment), batch_spec(experiment)
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
    return jax.jit(lambda: _create(experiment), out_shardings=data_feed.shardings(like))()


def _create(experiment):
    init_key, run_key = jax.random.split(jax.random.key(experiment.seed))
    variables = experiment.task.init(init_key, experiment.example)
    return states.create(variables, run_key, experiment.optimizer, experiment.partition)


def check_sources(experiment: Experiment) -> None:
    """Raises UserError for weights to start from that are not there."""
    for source in initial.parse(experiment.checkpoint.init_from):
        if source.path != initial.RANDOM:
            experiment.find(source.path)


def first_state(experiment: Experiment, like, log: Callable[[str], None]) -> states.TrainState:
    """Returns the state of step 0 with the weights that `checkpoint.init_from` names.

    Raises UserError where parameters that never train would stay as they were drawn.
    """
    state, given = initial_state(experiment, like), list[str]()
    sources = initial.parse(experiment.checkpoint.init_from)
    for source in sources:
        if source.path == initial.RANDOM:
            continue
        whole = {"params": states.merge(state.params, state.frozen), **state.aux}
        new = initial.load_partial(whole, experiment.load(source.path), source)
        listed = (("unused", new.unused), ("left new", new.untouched), ("cast", new.cast))
        log(f"init_from {source.path}: " + "; ".join(_listed(*part) for part in listed))
        state = _with_variables(state, new.variables, experiment.partition)
        given += new.used
    if sources:
        initial.check_frozen(states.leaf_paths(state.frozen), given, sources)
    return state


def _with_variables(state, variables, partition):
    params, held = states.split(variables["params"], partition)
    aux = {name: tree for name, tree in variables.items() if name != "params"}
    ema = None if state.ema is None else jax.tree.map(jax.numpy.copy, states.as_float32(params))
    return state.replace(params=params, frozen=held, aux=aux, ema=ema)


def _listed(what: str, names: list[str]) -> str:
    return f"{what} {len(names)}" + (
        f" ({', '.join(names[:5])}{', ...' if names[5:] else ''})" if names else ""
    )
