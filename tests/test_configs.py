"""Every configuration file builds, and one training step of it has shapes; wrong fields are
refused.
"""

import importlib.util
from pathlib import Path

import jax
import pytest

from daflow_jax import errors, experiment
from daflow_jax.train import setup, step

FILES = sorted((Path(__file__).parents[1] / "configs").rglob("*.py"))
ONE = {"data": -1, "fsdp": 1}


def _config(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "python train.py --config configs/" in module.__doc__
    return module.get_config()


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    devices = jax.devices()[:1]
    monkeypatch.setattr(jax, "devices", lambda *args: devices)


def _timed(path):
    """Returns a configuration's file; those of the published size are traced for half a minute."""
    marks = pytest.mark.slow if path.stem.endswith("_base") else ()
    return pytest.param(path, id=f"{path.parent.name}-{path.stem}", marks=marks)


@pytest.mark.parametrize("path", [_timed(file) for file in FILES])
def test_config_builds_and_a_step_has_shapes(path):
    e = experiment.build(_config(path))
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
    "batch_norm is 'maybe'": {"task": {"name": "optical_flow", "batch_norm": "maybe"}},
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
