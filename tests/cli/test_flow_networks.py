"""The networks without iterations through the public commands: train, flow, eval, export, plan."""

import json

import jax
import numpy as np
import pytest
import safetensors.numpy

import train
from daflow_jax import cli, errors, experiment, io
from daflow_jax.pretrained import published as checkpoints
from tests import tiny
from tests.models import published_flownets as published

SMALL = (
    *("--config.data.scene.height=128", "--config.data.scene.width=128"),
    *("--config.data.scene.num_textures=4", "--config.data.scene.texture_size=128"),
    *("--config.train.steps=2", "--config.train.batch_size=2", "--config.log.every=1"),
    *("--config.eval.every=0", "--config.log.pictures_every=0", "--config.log.tensorboard=False"),
    *("--config.optimizer.warmup_steps=0", "--processes", "1"),
)
WIDTHS = {
    "pwcnet": (
        "--config.model.widths=(4, 4, 4, 4, 4, 4)",
        "--config.model.decoder=(4, 4, 4, 4, 4)",
        "--config.model.context=(4, 4, 4, 4, 4, 4)",
        "--config.model.radius=1",
    ),
    "flownet": (
        "--config.model.widths=(4, 4, 4, 4, 4, 4)",
        "--config.model.decoder=(4, 4, 4, 4)",
        "--config.model.radius=2",
    ),
    "gmflow": ("--config.model.widths=(4, 4, 4)", "--config.model.upsampling=4"),
}


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=pytest.mark.slow) for name in ("pwcnet", "flownet", "gmflow")],
)
def test_a_network_is_trained_and_used_by_the_commands(family, tmp_path, capsys, monkeypatch):
    devices = jax.devices()[:1]
    monkeypatch.setattr(jax, "devices", lambda *args: devices)
    run = tmp_path / "run"
    small = [flag for flag in SMALL if family != "gmflow" or "warmup" not in flag]
    spec = ["--config", f"configs/{family}/nano.py"]
    assert train.main([*spec, "--workdir", str(run), *small, *WIDTHS[family]]) == 0
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert len(losses) == 2 and np.isfinite(losses).all()

    pair = tmp_path / "pairs/scenes/one"
    pair.mkdir(parents=True)
    _write_pair(pair)
    model = ["--model", str(run / "export/last"), "--out"]
    frames = [str(pair / name) for name in ("frame1.png", "frame2.png")]
    assert cli.main(["flow", *frames, *model, str(tmp_path / "flow")]) == 0
    assert cli.main(["eval", str(tmp_path / "pairs"), *model, str(tmp_path / "eval")]) == 0
    assert (tmp_path / "eval/results.json").is_file()
    assert cli.main(["export", "--size", "100x150", *model, str(tmp_path / "served")]) == 0
    capsys.readouterr()
    assert cli.main(["flow", *frames, *model, str(tmp_path / "x"), "--iters", "3"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("daflow: error: ") and error.count("\n") == 1, error


def _write_pair(folder):
    for number, frame in enumerate(tiny.frames(2, 100, 150), 1):
        io.write_image(folder / f"frame{number}.png", frame)
    io.write_flow(folder / "flow.flo", np.zeros((100, 150, 2), np.float32))
    (folder / "meta.json").write_text("{}")


@pytest.mark.slow
@pytest.mark.parametrize("name", published.FILES)
def test_a_file_with_the_published_names_converts(name, tmp_path):
    state = published.state_dict(name, 0)
    safetensors.numpy.save_file(state, tmp_path / "file.safetensors")
    job = checkpoints.prepare(checkpoints.Request(tmp_path / "file.safetensors"))
    unused = len(published.names(name).get("unused", ()))
    assert job.arch == name and len(job.plan.sources) == len(state) - unused


def _config(**changes):
    return {
        "task": {"name": "optical_flow"},
        "model": {"name": "pwcnet-nano"},
        "optimizer": {"lr": 1e-4},
        "data": {"scene": {"height": 128, "width": 128}},
        "train": {"steps": 4, "batch_size": 8},
        **changes,
    }


WRONG = {
    "config.task.objective: is 'pwcnet_l1'. Did you mean pwcnet_l2": {
        "task": {"name": "optical_flow", "objective": "pwcnet_l1"}
    },
    "config.task.objective: is 'pwcnet_l2'. This network has no such loss": {
        "task": {"name": "optical_flow", "objective": "pwcnet_l2"},
        "model": {"name": "gmflow-nano"},
    },
    "scales wants a network that refines": {"task": {"name": "optical_flow", "scales": (0.5,)}},
    "height: 100; this model wants multiples of 64. Use 64 or 128": {
        "data": {"scene": {"height": 100, "width": 128}}
    },
    "config.optimizer.halve_at: one_cycle does not read it": {
        "optimizer": {"lr": 1e-4, "halve_at": (3,)}
    },
    "config.optimizer.momentum: adam does not read it": {
        "optimizer": {"lr": 1e-4, "name": "adam", "momentum": 0.5}
    },
}


@pytest.mark.parametrize("message", WRONG, ids=lambda m: m[:40])
def test_wrong_settings_are_one_line(message):
    experiment.build(_config())
    with pytest.raises(errors.UserError) as refusal:
        experiment.build(_config(**WRONG[message]))
    assert message in str(refusal.value) and refusal.value.code == 2
