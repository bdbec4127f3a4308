"""The loop on a toy: it learns, resumes bit for bit, survives kill -9, bad batches and more
devices.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from daflow_jax import errors
from daflow_jax.train import checkpoint, data_feed, initial, loop, setup
from daflow_jax.train import state as states
from tests.train import toy

CHILD = """
import os, signal, sys
from tests.train import toy
from daflow_jax.train import data_feed, loop
class Deadly(toy.Loader):
    def __next__(self):
        if self.index == int(sys.argv[2]):
            os.kill(os.getpid(), int(sys.argv[3]))
        return super().__next__()
sys.exit(loop.train(toy.experiment(data=data_feed.HostData(Deadly)), sys.argv[1]))
"""


def _lines(workdir) -> list[dict]:
    return [json.loads(text) for text in (Path(workdir) / "metrics.jsonl").read_text().splitlines()]


def _losses(workdir) -> list[float]:
    return [line["loss"] for line in _lines(workdir) if "loss" in line]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("undisturbed")
    assert loop.train(toy.experiment(), workdir) == 0
    return workdir


def test_loop_learns_and_leaves_the_promised_files(undisturbed):
    losses = _losses(undisturbed)
    assert len(losses) == toy.STEPS and losses[-1] < 0.25 * losses[0]
    for name in ("config.json", "environment.json", "log.txt", "done", f"eval/step_{12:09d}.json"):
        assert (undisturbed / name).exists(), name
    assert "first step after" in (undisturbed / "log.txt").read_text()
    assert loop.train(toy.experiment(), undisturbed) == 0  # done: nothing happens
    assert _losses(undisturbed) == losses


def test_resume_in_process_continues_bit_for_bit(undisturbed, tmp_path):
    assert loop.train(toy.experiment(steps=5), tmp_path) == 0
    assert loop.train(toy.experiment(), tmp_path) == 0
    assert _losses(tmp_path) == _losses(undisturbed)
    for name in ("params/mix/kernel", "ema/mix/kernel"):
        ours, theirs = (
            checkpoint.load_variables(w)["params"]["mix"] for w in (tmp_path, undisturbed)
        )
        assert np.array_equal(ours["kernel"], theirs["kernel"]), name


def _child(workdir, at: int, number: int) -> int:
    env = dict(os.environ, JAX_PLATFORMS="cpu", PYTHONPATH=os.getcwd())
    command = [sys.executable, "-c", CHILD, str(workdir), str(at), str(int(number))]
    return subprocess.run(command, env=env, capture_output=True, timeout=120).returncode


def test_kill_and_terminate_then_resume_give_the_same_losses(undisturbed, tmp_path):
    assert _child(tmp_path, 6, signal.SIGKILL) == -signal.SIGKILL
    assert len(_losses(tmp_path)) >= 4 and not (tmp_path / "done").exists()
    assert _child(tmp_path, 8, signal.SIGTERM) == 143
    assert "stopped by signal 15 at step 9, saved" in (tmp_path / "log.txt").read_text()
    assert loop.train(toy.experiment(), tmp_path) == 0
    assert _losses(tmp_path) == _losses(undisturbed)


def test_eight_devices_and_sharded_parameters_give_the_losses_of_one(undisturbed, tmp_path):
    many = toy.experiment(devices=8, axes={"data": 2, "fsdp": 4})
    like = setup.abstract_state(many)
    assert like.frozen["held"]["kernel"].sharding.spec == P(None, "fsdp")
    assert loop.train(many, tmp_path) == 0
    np.testing.assert_allclose(_losses(tmp_path), _losses(undisturbed), rtol=1e-5)


def test_checkpoint_of_eight_devices_resumes_on_one(undisturbed, tmp_path):
    assert (
        loop.train(toy.experiment(devices=8, steps=4, axes={"data": 4, "fsdp": 2}), tmp_path) == 0
    )
    assert loop.train(toy.experiment(), tmp_path) == 0
    np.testing.assert_allclose(_losses(tmp_path), _losses(undisturbed), rtol=1e-5)


def test_data_made_on_the_device_repeats_whatever_the_steps_per_call(tmp_path):
    data = data_feed.DeviceData(toy.device_rows, {"offset": np.float32(0.25)})
    for calls in (1, 3):
        train = setup.TrainConfig(steps=12, batch_size=8, steps_per_call=calls)
        log = toy.writer.LogConfig(every=3, pictures_every=0, tensorboard=False)
        e = toy.experiment(data=data, train=train, devices=8, log=log)
        assert loop.train(e, tmp_path / str(calls)) == 0
    one, three = (_losses(tmp_path / name) for name in ("1", "3"))
    assert len(one) == 4 and one[-1] < one[0]
    np.testing.assert_allclose(one, three, rtol=1e-6)


def test_the_log_says_where_the_time_went_and_a_profile_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(setup.peak_rates, "peak_flops", lambda kind, dtype: 1e9)
    monkeypatch.setattr(setup.model_flops, "per_step", lambda *step: 1e6)
    log = toy.writer.LogConfig(every=1, pictures_every=0, tensorboard=False, profile=(3, 2))
    slow = data_feed.HostData(lambda: Slow())
    assert loop.train(toy.experiment(data=slow, log=log, devices=2), tmp_path) == 0
    lines = [line for line in _lines(tmp_path) if "step_s" in line]
    assert len(lines) == toy.STEPS - 1  # nothing is known of the first
    for line in lines:
        assert line["clips_per_s"] == line["pairs_per_s"] == pytest.approx(8 / line["step_s"])
        assert line["mfu"] == pytest.approx(1e6 / line["step_s"] / 2e9)
        assert 0.01 < line["data_s"] <= line["step_s"] and line["memory_bytes"] > 1e6
    saved = {line["step"] for line in lines if line["save_s"] > 0}
    assert saved == {5, 9}  # in the line after the save
    said = (tmp_path / "log.txt").read_text()
    assert "mfu" in said and "save" in said and list((tmp_path / "profile").rglob("*.xplane.pb"))
    with pytest.raises(errors.UserError, match=r"first step, number of steps\), e.g"):
        toy.writer.LogConfig(profile=(3,))


class Slow(toy.Loader):
    """Takes its time over every batch."""

    def __next__(self):
        time.sleep(0.02)
        return super().__next__()


def test_every_zero_steps_means_only_at_the_end(tmp_path):
    log = toy.writer.LogConfig(every=0, pictures_every=0, tensorboard=False)
    e = toy.experiment(steps=3, log=log, checkpoint=setup.CheckpointConfig(every=0))
    assert loop.train(e, tmp_path) == 0
    assert len(_losses(tmp_path)) == 1
    assert len([path for path in (tmp_path / "checkpoints").iterdir() if path.is_dir()]) == 1


def test_bad_batches_are_skipped_and_counted(undisturbed, tmp_path):
    data = data_feed.HostData(lambda: toy.Loader(poison=(2, 3)))
    assert loop.train(toy.experiment(data=data), tmp_path) == 0
    lines = [line for line in _lines(tmp_path) if "skipped" in line]
    assert [line["skipped"] for line in lines] == [0, 0, 1, 1] + [0] * 8
    assert lines[2]["loss"] is None and lines[-1]["loss"] < 0.3 * lines[0]["loss"]


def test_many_bad_batches_end_the_run_naming_step_and_leaf(tmp_path):
    data = data_feed.HostData(lambda: toy.Loader(poison=range(2, 99)))
    with pytest.raises(
        errors.UserError, match="step 2: loss or gradient not finite.* clips 16 to 23 .*mix/kernel"
    ) as caught:
        loop.train(toy.experiment(data=data), tmp_path)
    assert caught.value.code == 1
    assert np.isfinite(checkpoint.load_variables(tmp_path)["params"]["mix"]["kernel"]).all()


def test_changed_meaning_is_refused_and_changed_length_is_not(tmp_path):
    loop.train(toy.experiment(steps=2), tmp_path)
    other = toy.experiment()
    changed = {**other.config, "seed": 3, "log": {"every": 7}}
    with pytest.raises(errors.UserError, match=r"seed: 0 -> 3\. .*init_from"):
        loop.train(toy.experiment(config=changed), tmp_path)


def test_workdir_in_use_is_refused(tmp_path):
    with loop.workdirs.hold(tmp_path):
        with pytest.raises(errors.UserError, match=f"in use by .* pid {os.getpid()}"):
            loop.train(toy.experiment(), tmp_path)


def test_step_donates_its_state_and_freezes_what_is_frozen():
    e = toy.experiment()
    like = setup.abstract_state(e)
    host = data_feed.make_feed(e.data, setup.make_step(e), e.mesh, like)
    state = setup.initial_state(e, like)
    held, old = np.asarray(state.frozen["held"]["kernel"]).copy(), state.params["mix"]["kernel"]
    state, _ = host(state)
    assert old.is_deleted()
    assert np.array_equal(state.frozen["held"]["kernel"], held)
    assert not any("held" in path for path in states.leaf_paths(state.opt_state))
    assert int(state.aux["seen"]["count"]) == 1 and jax.tree.leaves(state.ema)


def test_init_from_fills_named_parts_and_refuses_misfits(undisturbed, tmp_path):
    given = checkpoint.load_variables(undisturbed)
    start = setup.CheckpointConfig(init_from={"mix": f"{undisturbed}:mix"})
    e = toy.experiment(checkpoint=start, load=checkpoint.load_variables)
    with pytest.raises(errors.UserError, match="leaves 1 frozen .* held/kernel.*held=random"):
        loop.train(e, tmp_path / "drawn")
    start = setup.CheckpointConfig(init_from={"mix": f"{undisturbed}:mix", "held": "random"})
    e = toy.experiment(checkpoint=start, load=checkpoint.load_variables)
    mine = setup.first_state(e, setup.abstract_state(e), print).params
    assert np.array_equal(mine["mix"]["kernel"], given["params"]["mix"]["kernel"])
    assert not np.array_equal(mine["shift"], given["params"]["shift"])
    state = setup.initial_state(e, setup.abstract_state(e))
    whole = {"params": states.merge(state.params, state.frozen)}
    with pytest.raises(
        errors.UserError, match=r"mix/kernel .* float32\[64, 128\].*float32\[3, 3\]"
    ):
        initial.load_partial(whole, given, initial.Source("mix", "x", "held"))
    with pytest.raises(errors.UserError, match="no name of x fits under 'nowhere'"):
        initial.load_partial(whole, given, initial.Source("nowhere", "x", ""))
