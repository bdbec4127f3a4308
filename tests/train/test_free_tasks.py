"""A task with two networks, a teacher and an input of its own: trained, resumed, counted, exported,
from a configuration and without a changed line of the library."""

import json

import jax
import numpy as np
import pytest

from daflow_jax import errors, experiment, models, pretrained, tasks
from daflow_jax.input_pipeline import sources
from daflow_jax.train import loop, model_flops, setup
from tests.train import networks, toy


@pytest.fixture(autouse=True, scope="module")
def registered():
    models.register(networks.SHIFT)
    tasks.register("test_between", networks.Between)
    sources.register("test_clips", networks.Clips)


def _config(steps=4, **parts):
    return {
        "task": {"name": "test_between"},
        "model": {"name": "test-shift"},
        "networks": {"helper": {"name": "test-shift", "width": 6}},
        "optimizer": {"lr": 1e-2, "schedule": "constant", "frozen": ("helper/.*",)},
        "data": {"name": "test_clips", "scene": {"frames": 3, "height": 16, "width": 20}},
        "train": {"steps": steps, "batch_size": 8},
        "eval": {"every": 2, "batches": 1},
        "checkpoint": {"every": 2, "init_from": "random"},
        "log": {"every": 1, "pictures_every": 2, "tensorboard": False},
    } | parts


def _lines(folder):
    return [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]


def test_it_trains_resumes_and_exports_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr(setup.peak_rates, "peak_flops", lambda kind, dtype: 1e9)
    for steps in (2, 4):
        assert loop.train(experiment.build(_config(steps)), tmp_path / "parts") == 0
    assert loop.train(experiment.build(_config()), tmp_path / "whole") == 0
    folder = tmp_path / "parts/export"
    names = ("last", "last-teacher", "last-helper", "best", "best-teacher", "best-helper")
    assert {path.name for path in folder.iterdir()} == set(names)
    found = {name: pretrained.load(folder / name) for name in names}
    assert [found[n].config.width for n in names[:3]] == [4, 4, 6]
    stems = {n: found[n].variables["params"]["stem"]["kernel"] for n in names[:2]}
    assert np.abs(stems["last"] - stems["last-teacher"]).max() > 1e-5
    same = pretrained.load(tmp_path / "whole/export/last").variables["params"]["stem"]["kernel"]
    np.testing.assert_allclose(stems["last"], same, rtol=1e-5, atol=1e-7)
    lines = [line for line in _lines(tmp_path / "whole") if "step_s" in line]
    assert all(line["images_per_s"] == pytest.approx(3 * line["clips_per_s"]) for line in lines)
    assert all("mfu" in line and "pairs_per_s" not in line for line in lines)
    assert " image/s" in (tmp_path / "whole/log.txt").read_text()
    assert (tmp_path / "whole/eval/step_000000004.json").read_text().count("test_clips") == 1


def test_every_network_is_counted_without_what_it_recomputes():
    helper = {"name": "test-shift", "width": 6, "remat": True}
    e = experiment.build(_config(networks={"helper": helper}))
    without = model_flops.without_recomputing(e.task)
    assert e.task.helper.config.remat and not without.helper.config.remat
    assert without.module.config == e.task.module.config and without.momentum == e.task.momentum
    state, batch = setup.abstract_state(e), setup.batch_spec(e)
    assert set(batch) == {"hq", "time", "weight"}
    pixels, widths = 8 * 16 * 20, (4, 6)  # of a batch
    forward = sum(2 * 9 * (6 + 3) * width * pixels for width in widths)
    assert 1 < model_flops.per_step(e.task, e.optimizer, state, batch) / forward < 3
    bare = toy.Toy()
    assert model_flops.without_recomputing(bare) is bare


@pytest.mark.parametrize(
    "change, message",
    [
        ({"networks": {}}, r"config.networks.helper: is missing.*dict\(helper=dict\(name"),
        ({"networks": {"helpr": {"name": "raft"}}}, "networks.helpr: unknown field.*helper"),
        ({"networks": {"helper": {"name": "rft"}}}, "Did you mean raft"),
        ({"data": {"name": "test_clip"}}, "unknown data 'test_clip'.*Did you mean test_clips"),
        ({"data": {"keys": ("hq",)}}, "data.keys: lacks 'time'"),
        ({"data": {"keys": ("hq", "tme")}}, "unknown key 'tme'.*Did you mean time"),
        ({"data": {"scene": {"height": 18}}}, "height: 18; .*multiples of 4. Use 16 or 20"),
        ({"checkpoint": {}}, "init_from: is empty, so what optimizer.frozen holds"),
        ({"mesh": {"data": -1, "tensor": 2}}, "mesh.tensor: this model has no attention heads"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(errors.UserError, match=message):
        experiment.build(_config() | change)


def test_networks_have_defaults_and_flags(tmp_path):
    from daflow_jax.experiment import config_file

    values = config_file.complete(_config())
    assert values["networks"]["helper"] == {
        "name": "test-shift", "width": 6, "remat": False, "frames": 2, "multiple": 4, "minimum": 16,
        "any_time": True,
    }  # fmt: skip
    e = experiment.build(values)
    assert e.config["networks"]["helper"]["width"] == 6 and e.config["task"]["momentum"] == 0.5
    assert jax.tree.leaves(setup.abstract_state(e).frozen)
