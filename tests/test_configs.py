"""Every configuration file builds, its command can be pasted, and one step of it has shapes; wrong
fields are refused.
"""

import re
import shlex
from pathlib import Path

import jax
import pytest

import train
from daflow_jax import errors, experiment
from daflow_jax.experiment import config_file
from daflow_jax.train import setup, step

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "configs").rglob("*.py"))
SHALLOW = {  # of the published size, whose 24 blocks take half a minute to trace
    "lift_base": ("model.dit.depth=2", "model.dit.taps=(1,)"),
    "flow_base": ("model.backbone.dit.depth=4", "model.backbone.dit.taps=(0, 1, 2, 3)"),
}
AS_BEFORE = ("lift", "mixture", "things", "sintel", "kitti")  # network and task of another file
QUICK = ("flow", "restore", "star")  # the others are traced by -m slow, and tested as tasks
each_file = pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    devices = jax.devices()[:1]
    monkeypatch.setattr(jax, "devices", lambda *args: devices)
    monkeypatch.chdir(ROOT)


def _commands(path):
    """Returns the words of every command that the docstring of a file states."""
    text = path.read_text().split('"""')[1].replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^    (\S.*)$", text, re.MULTILINE)]


@each_file
def test_the_command_of_a_file_can_be_pasted(path):
    commands = _commands(path)
    for command in commands:
        assert command[0] in ("python", "daflow"), f"not a command: {command}"
    (words,) = (command[2:] for command in commands if command[1] == "train.py")
    flags, overrides = train.read_flags(words)
    config = config_file.read(flags.config, [text for text in overrides if "mesh" not in text])
    assert flags.config.split(":")[0] == str(path.relative_to(ROOT)) and flags.workdir
    experiment.build(config)


@each_file
def test_a_file_holds_what_differs_from_the_defaults(path):
    spec = str(path.relative_to(ROOT))
    given = config_file.load(spec)
    names = {name: {"name": given[name]["name"]} for name in ("task", "model")}
    assert not [name for name, _ in _repeated(given, config_file.complete(names))]


def _repeated(given, defaults, prefix=""):
    """Yields the fields of a file that have the value they would have without it."""
    for name, value in given.items():
        if isinstance(value, dict):
            yield from _repeated(value, defaults.get(name, {}), f"{prefix}{name}.")
        elif f"{prefix}{name}" not in STATED and defaults.get(name) == value:
            yield f"{prefix}{name}", value


STATED = ("task.name", "model.name", "task.unit", "optimizer.weight_decay", "data.scene.frames")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=f"{path.parent.name}-{path.stem}",
            marks=[pytest.mark.slow] * (path.stem not in QUICK),
        )
        for path in FILES
        if path.stem not in AS_BEFORE
    ],
)
def test_a_step_has_shapes(path):
    changed = [f"--config.{text}" for text in SHALLOW.get(path.stem, ())]
    e = experiment.build(config_file.read(str(path), changed))
    like = setup.abstract_state(e)
    new, metrics = jax.eval_shape(step.make_step(e.task, e.optimizer), like, setup.batch_spec(e))
    same = jax.tree.map(lambda a, b: a.shape == b.shape and a.dtype == b.dtype, new, like)
    assert all(jax.tree.leaves(same)) and metrics["loss"].shape == ()


WRONG = {
    "config.trian: unknown field.*Did you mean train": {"trian": {}},
    "config.optimizer.lrr: unknown field.*Did you mean lr": {"optimizer": {"lr": 1.0, "lrr": 1.0}},
    "config.task.gama: unknown field.*Did you mean gamma": {
        "task": {"name": "optical_flow", "gama": 1}
    },
    "unknown task 'optical_flo'.*Did you mean optical_flow": {"task": {"name": "optical_flo"}},
    "Did you mean raft-small": {"model": {"name": "raft-smal"}},
    "model.lokup: is not a field.*Did you mean lookup": {"model": {"name": "raft", "lokup": "x"}},
    "config.data.scene.hight: unknown field.*Did you mean height": {
        "data": {"scene": {"hight": 1}}
    },
    "config.data.scene.height: 130; .* multiples of 8. Use 128 or 136": {
        "data": {"scene": {"height": 130}}
    },
    "config.data.scene.height: 64; .* at least 128. Use 128": {
        "data": {"scene": {"height": 64, "width": 64}}
    },
    "config.data.seed: unknown field": {"data": {"seed": 1}},
    "config.data.source: unknown 'devise'": {"data": {"source": "devise"}},
    "config.train.steps: is missing": {"train": {"batch_size": 2}},
    "steps_per_call: 3 does not divide": {
        "train": {"steps": 4, "batch_size": 2, "steps_per_call": 3}
    },
    "config.mesh.dta: unknown axis.*Did you mean data": {"mesh": {"dta": 1}},
    "precision 'p=f33,c=f32': unknown format 'f33'": {"precision": "p=f33,c=f32"},
    "config.task.batch_norm: is 'maybe'. Known: frozen, train": {
        "task": {"name": "optical_flow", "batch_norm": "maybe"}
    },
}


@pytest.mark.parametrize("message", WRONG, ids=lambda m: m[:40])
def test_wrong_field_is_refused_with_a_remedy(message):
    good = {
        "task": {"name": "optical_flow"},
        "model": {"name": "raft-small"},
        "optimizer": {"lr": 1e-4},
        "data": {"scene": {"height": 128, "width": 128}},
        "train": {"steps": 4, "batch_size": 2},
    }
    experiment.build(good)
    with pytest.raises(errors.UserError, match=message) as refusal:
        experiment.build(good | WRONG[message])
    assert refusal.value.code == 2


def test_restorers_may_see_small_clips():
    small = {
        "task": {"name": "restoration"},
        "model": {"name": "restorer-nano"},
        "optimizer": {"lr": 1e-4},
        "data": {"scene": {"height": 64, "width": 64}},
        "train": {"steps": 4, "batch_size": 2},
    }
    assert experiment.build(small).example["lq"].shape[2:4] == (64, 64)


def test_batch_that_does_not_divide_names_the_nearest_sizes(monkeypatch):
    monkeypatch.undo()
    good = {
        "task": {"name": "optical_flow"},
        "model": {"name": "raft-small"},
        "optimizer": {"lr": 1e-4},
        "data": {"scene": {"height": 128, "width": 128}},
        "train": {"steps": 4, "batch_size": 12},
    }
    with pytest.raises(
        errors.UserError, match="12 clips do not divide over 8 devices.*Use 8 or 16"
    ):
        experiment.build(good)
