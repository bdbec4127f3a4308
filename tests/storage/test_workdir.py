"""A run whose folder is in a bucket: claimed, saved, resumed, as one on this machine."""

import json
import time

import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.experiment import weights
from daflow_jax.io import storage
from daflow_jax.io.storage import lease
from daflow_jax.train import checkpoint, initial, loop, writer
from tests.train import toy

LOG = writer.LogConfig(every=1, pictures_every=0)


def test_a_run_in_a_bucket_is_the_run_on_a_disk_and_goes_on(bucket, tmp_path):
    half = toy.experiment(steps=6, log=LOG)
    assert loop.train(half, bucket) == 0
    assert loop.train(toy.experiment(log=LOG), bucket) == 0
    assert loop.train(toy.experiment(), tmp_path / "whole") == 0
    there, here = storage.place(bucket), tmp_path / "whole"
    assert (there / "done").read_text() == (here / "done").read_text()
    lines = [json.loads(line) for line in (there / "metrics.jsonl").read_text().splitlines()]
    want = [json.loads(line) for line in (here / "metrics.jsonl").read_text().splitlines()]
    losses = {line["step"]: line["loss"] for line in lines if "loss" in line}
    assert losses == {line["step"]: line["loss"] for line in want if "loss" in line}
    ours, theirs = checkpoint.load_variables(bucket), checkpoint.load_variables(here)
    np.testing.assert_array_equal(
        ours["params"]["mix"]["kernel"], theirs["params"]["mix"]["kernel"]
    )
    assert "resumed from step 6" in (there / "log.txt").read_text()
    assert [path.name[:6] for path in (there / "tensorboard").iterdir()] == ["events"] * 2
    assert not (there / "lock").exists()
    [source] = initial.parse(f"mix={bucket}:mix")
    assert source == ("mix", bucket, "mix")
    taken = weights.load_variables(bucket, {})
    np.testing.assert_array_equal(taken["params"]["shift"], theirs["params"]["shift"])
    with pytest.raises(errors.UserError, match="there is no such bucket"):
        weights.find("gs://nothing-here/run")
    with pytest.raises(errors.UserError, match="started with another configuration"):
        loop.train(toy.experiment(config={"seed": 1}), bucket)


def test_a_second_process_is_refused_and_a_dead_one_is_not_waited_for(bucket, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.2)
    monkeypatch.setattr(lease, "TERM", 1.0)
    folder = storage.place(bucket)
    with lease.hold(folder / "lock"):
        with pytest.raises(errors.UserError, match="in use by .* pid .*Wait for it") as caught:
            with lease.hold(folder / "lock"):
                pass
        assert caught.value.code == 2
    gone = json.dumps({**lease._identity(), "pid": 2**22 + 1})
    (folder / "lock").write_text(f"here pid 1\n{gone}\n")
    begun = time.monotonic()
    with lease.hold(folder / "lock"):
        assert time.monotonic() - begun < 0.9
    (folder / "lock").write_text("elsewhere pid 1\n{}\n")
    said = []
    with lease.hold(folder / "lock", said.append):
        assert time.monotonic() - begun > 1
    assert said == ["held by elsewhere pid 1: waiting 1 s for a sign of life"]


def test_an_answer_that_is_lost_does_not_lose_the_claim(bucket):
    claim = lease._Claim(storage.place(bucket) / "lock")
    claim.take(print)
    claim._generation -= 1  # as if the answer to a write had not arrived
    claim.renew()
    other = lease._Claim(storage.place(bucket) / "lock")
    other._text = "another\n{}\n"
    assert not other._put(0) and other._put(claim._generation)
    with pytest.raises(errors.UserError, match="claim of this process was lost; held by another"):
        claim.renew()
