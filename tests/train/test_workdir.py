"""A workdir of an older version, a damaged one, and weights that are not there."""

import json

import pytest

from daflow_jax import errors, experiment
from daflow_jax.experiment import record
from daflow_jax.train import loop, workdir
from tests.train import toy

CONFIG = {
    "task": {"name": "optical_flow"},
    "model": {"name": "raft-small"},
    "optimizer": {"lr": 1e-4, "groups": [{"match": (".*",)}]},
    "data": {"scene": {"height": 128, "width": 128}},
    "train": {"steps": 4, "batch_size": 8},
}


@pytest.mark.parametrize(
    "place",
    [
        "optimizer.nesterov", "optimizer.groups.0.lr_scale", "data.scene.nonrigid", "data.source",
        "data.degrade.jitter", "model.lookup", "task.scales",
    ],
)  # fmt: skip
def test_a_field_younger_than_the_run_has_its_default(tmp_path, place):
    new = experiment.build(CONFIG)
    workdir.bind(tmp_path, new.config)
    old = json.loads((tmp_path / "config.json").read_text())
    *parents, name = place.split(".")
    node = old
    for parent in parents:
        node = node[int(parent) if parent.isdecimal() else parent]
    default = node.pop(name)
    (tmp_path / "config.json").write_text(json.dumps(old))
    workdir.bind(tmp_path, new.config, new.filled)
    assert json.loads((tmp_path / "config.json").read_text()) != old  # the field is there now
    node[name] = "other" if default != "other" else ""
    (tmp_path / "config.json").write_text(json.dumps(old))
    with pytest.raises(errors.UserError, match="another configuration"):
        workdir.bind(tmp_path, new.config, new.filled)


def test_a_record_of_now_lacks_nothing():
    config = json.loads(json.dumps(experiment.build(CONFIG).config))
    assert json.loads(json.dumps(record.filled(config))) == config


@pytest.mark.parametrize("name, text", [("config.json", "{"), ("done", "many"), ("done", "²")])
def test_a_damaged_workdir_is_named(tmp_path, name, text):
    workdir.bind(tmp_path, toy.experiment().config)
    (tmp_path / name).write_text(text)
    with pytest.raises(errors.UserError, match=name):
        loop.train(toy.experiment(), tmp_path)


def test_weights_that_are_not_there_are_named_before_anything_is_left(tmp_path):
    built = experiment.build(CONFIG | {"checkpoint": {"init_from": "/nosuch"}})
    with pytest.raises(errors.UserError, match="/nosuch: is neither a model folder"):
        loop.train(built, tmp_path / "run")
    assert not (tmp_path / "run").exists()
